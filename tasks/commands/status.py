"""`doit status`: what is deployed, and whether it is what is here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.commands.chosen import check_sandbox
from tasks.commands.options import JSON, Reading, encoded, no_arguments
from tasks.composition import current
from tasks.decision import STATES
from tasks.engine.progress import human
from tasks.errors import SleeperImagesError
from tasks.views.status import Row, Standing, look
from tasks.views.words import age, coloured, colours, short_platforms, wrapped

UNANSWERED = 1
"""The exit code where the registry did not answer about every image."""

_HEADINGS = {
    "current": "current",
    "retag": "not current: the version tag has to move",
    "build": "not current: to be built and pushed",
    "blocked": "cannot be compared or cannot be pushed",
    "unknown": "no answer",
}

_COLUMNS = ("image", "digest", "platforms", "size", "age")


class Status(Reading):
    """Prints what the registry holds of the selected images."""

    name = "status"
    doc_purpose = "show what is deployed, and whether it is what is here"
    doc_usage = "[VARIABLE=VALUE ...]"
    doc_description = (
        "Asks the registry about every selected image at once and remembers nothing. Exit code 0; 1 where the registry "
        "did not answer about every image; 3 where nothing says which registry. docs/status-and-digests.md describes "
        "the JSON."
    )

    cmd_options = (JSON,)

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        no_arguments(pos_args, self.name)
        session = current()
        check_sandbox(session)
        try:
            found = look(session)
        except SleeperImagesError as error:
            raise InvalidCommand(str(error)) from None
        colour = colours(self.outstream)
        self.say(encoded(as_object(found)) if json else as_text(found, now=datetime.now(UTC), colour=colour))
        return 0 if all(row.answered for row in found.rows) else UNANSWERED


def as_object(found: Standing) -> dict[str, Any]:
    """Return what was found, for programs."""
    return {
        "prefix": found.prefix,
        "version": found.version,
        "pushed_fault": found.fault or None,
        "images": [_image_object(row, found.version) for row in found.rows],
    }


def as_text(found: Standing, *, now: datetime, colour: bool) -> str:
    """Return what was found, for people: what is current first, the rest with its reason.

    Args:
        found: what was found.
        now: what ages are counted from.
        colour: whether to write in colour.
    """
    mixed = len(_since(found)) > 1
    cells = {row.image.name: _cells(row, now, mixed=mixed) for row in found.rows}
    widths = [max(len(line[column]) for line in (_COLUMNS, *cells.values())) for column in range(len(_COLUMNS))]
    lines = [f"{found.prefix}  version {found.version}", "", _aligned(_COLUMNS, widths)]
    for name in STATES:
        rows = [row for row in found.rows if row.state == name]
        if not rows:
            continue
        lines.append(coloured(_HEADINGS[name], name, colour=colour))
        for row, why in zip(rows, _reasons(rows), strict=True):
            lines.append(_aligned(cells[row.image.name], widths))
            lines += [line for text in (*why, row.fault) for line in wrapped(text, "      ")]
    return "\n".join([*lines, "", *_footer(found), ""])


def _reasons(rows: list[Row]) -> Iterator[tuple[str, ...]]:
    """Yield each row's reason, once for neighbours that share it: under the last of them."""
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        yield () if not row.reason or (after is not None and after.reason == row.reason) else (row.reason,)


def _footer(found: Standing) -> Iterator[str]:
    counts = Counter(row.state for row in found.rows)
    parts = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    bytes_held = sum(row.held.size for row in found.rows if row.held is not None)
    noun = "image" if len(found.rows) == 1 else "images"
    yield f"{len(found.rows)} {noun}, {human(bytes_held)}: {parts or 'none selected'}"
    since = _since(found)
    if since == {True}:
        yield "age: since the push"
    elif since:
        what = "age: since the build" + (" where marked *, else since the push" if True in since else "")
        why = found.fault or ("ECR's API knows no such image" if found.ecr else "a plain registry does not say it")
        yield from wrapped(f"{what}; the push: {why}", "")


def _since(found: Standing) -> set[bool]:
    """Return whether ages are since the push, since the build, or both."""
    return {row.held.since.pushed for row in found.rows if row.held is not None and row.held.since is not None}


def _cells(row: Row, now: datetime, *, mixed: bool) -> tuple[str, ...]:
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


def _image_object(row: Row, version: str) -> dict[str, Any]:
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
    }
