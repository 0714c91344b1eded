"""What is deployed, for people and for programs. docs/status-and-digests.md describes both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tasks.decision import STATES
from tasks.engine.progress import human
from tasks.status import ImageStatus, Status
from tasks.system.text import wrapped
from tasks.views.words import age, coloured, short_platforms

_HEADINGS = {
    "current": "current",
    "retag": "not current: the version tag has to move",
    "build": "not current: to be built and pushed",
    "blocked": "cannot be compared or cannot be pushed",
    "unknown": "no answer",
}

_COLUMNS = ("image", "digest", "platforms", "size", "age")


def as_object(found: Status) -> dict[str, Any]:
    """Return what was found, for programs."""
    return {
        "prefix": found.prefix,
        "version": found.version,
        "pushed_fault": found.fault or None,
        "lifecycle_fault": found.expiry_fault or None,
        "images": [_image_object(row, found.version) for row in found.images],
    }


def as_text(found: Status, *, now: datetime, colour: bool) -> str:
    """Return what was found, for people: what is current first, the rest with its reason.

    Args:
        found: what was found.
        now: what ages are counted from.
        colour: whether to write in colour.
    """
    mixed = len(_since(found)) > 1
    cells = {row.image.name: _cells(row, now, mixed=mixed) for row in found.images}
    widths = [max(len(line[column]) for line in (_COLUMNS, *cells.values())) for column in range(len(_COLUMNS))]
    lines = [f"{found.prefix}  version {found.version}", "", _aligned(_COLUMNS, widths)]
    for name in STATES:
        rows = [row for row in found.images if row.state == name]
        if not rows:
            continue
        lines.append(coloured(_HEADINGS[name], name, colour=colour))
        reasons, expiries = _shared([row.reason for row in rows]), _shared([row.expiry for row in rows])
        for row, reason, expiry in zip(rows, reasons, expiries, strict=True):
            lines.append(_aligned(cells[row.image.name], widths))
            lines += [line for text in (reason, row.fault, expiry) for line in wrapped(text, "      ")]
    return "\n".join([*lines, "", *_footer(found), ""])


def _shared(texts: list[str]) -> Iterator[str]:
    """Yield each row's text, once for neighbours that share it: under the last of them."""
    for text, after in zip(texts, [*texts[1:], None], strict=True):
        yield "" if text == after else text


def _footer(found: Status) -> Iterator[str]:
    counts = Counter(row.state for row in found.images)
    parts = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    bytes_held = sum(row.held.size for row in found.images if row.held is not None)
    noun = "image" if len(found.images) == 1 else "images"
    yield f"{len(found.images)} {noun}, {human(bytes_held)}: {parts or 'none selected'}"
    since = _since(found)
    if since == {True}:
        yield "age: since the push"
    elif since:
        what = "age: since the build" + (" where marked *, else since the push" if True in since else "")
        why = found.fault or found.no_push_time
        yield from wrapped(f"{what}; the push: {why}", "")
    if any(row.expiry for row in found.images):
        yield "docs/status-and-digests.md says which lifecycle rules are safe"
    if found.expiry_fault:
        yield from wrapped(f"lifecycle rules: not read; {found.expiry_fault}", "")


def _since(found: Status) -> set[bool]:
    """Return whether ages are since the push, since the build, or both."""
    return {row.held.since.pushed for row in found.images if row.held is not None and row.held.since is not None}


def _cells(row: ImageStatus, now: datetime, *, mixed: bool) -> tuple[str, ...]:
    held = row.held
    if held is None:
        return (row.image.name, row.digest.short if row.digest else "-", "", "", "")
    since = held.since
    ago = "-" if since is None else age(since.at, now) + ("*" if mixed and not since.pushed else "")
    return (row.image.name, held.digest.short, short_platforms(held.platforms), human(held.size), ago)


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    name, digest, platforms, size, ago = cells
    return (
        f"  {name:<{widths[0]}}  {digest:<{widths[1]}}  {platforms:<{widths[2]}}  {size:>{widths[3]}}  "
        f"{ago:>{widths[4]}}"
    ).rstrip()


def _image_object(row: ImageStatus, version: str) -> dict[str, Any]:
    held = row.held
    since = held.since if held is not None else None
    return {
        "image": row.image.name,
        "repository": str(row.repository),
        "tag": version,
        "digest": str(row.digest) if row.digest else None,
        "platforms": list(held.platforms) if held is not None else None,
        "size": held.size if held is not None else None,
        "pushed": since.at.isoformat() if since is not None and since.pushed else None,
        "built": since.at.isoformat() if since is not None and not since.pushed else None,
        "state": row.state,
        "reason": row.reason or None,
        "fault": row.fault or None,
        "expiry": row.expiry or None,
    }
