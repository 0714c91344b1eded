"""Why an image would be built, for people and for programs. docs/plan-and-why.md describes both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tasks.errors import SleeperImagesError
from tasks.explanation import Explanation
from tasks.image.difference import Change
from tasks.image.fingerprint import Inputs, inputs_tag
from tasks.image.told import tell
from tasks.registry.model import Answer
from tasks.system.text import WIDTH, folded, printable

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def as_object(found: Explanation) -> dict[str, Any]:
    """Return the object that docs/plan-and-why.md describes."""
    compared = found.planned.comparison
    return {
        "target": found.where,
        "version": found.version,
        **found.planned.data(),
        "tags": {tag: _tag_data(answer) for tag, answer in found.tags.items()},
        "made_of": None if found.inputs is None else asdict(found.inputs),
        "untold": "" if compared is None else compared.untold,
    }


def as_text(found: Explanation, width: int = WIDTH) -> str:
    """Return it for people: its sentences are folded at `width`, and what people copy stays whole."""
    return "".join(f"{line}\n" for line in _lines(found, width))


def _lines(found: Explanation, width: int) -> Iterator[str]:
    planned = found.planned
    reason = f": {printable(planned.reason)}" if planned.reason else ""
    yield from folded(f"{planned.image.name}: {planned.state}{reason}", "    ", width)
    if planned.next_step:
        yield from folded(f"  next: {planned.next_step}", " " * 8, width)
    if found.where is not None:
        yield f"  repository   {found.where}/{planned.image.name}"
    yield f"  fingerprint  {planned.fingerprint or '-'}"
    for tag, answer in found.tags.items():
        # The fingerprint stands above.
        name = "inputs-<fingerprint>" if planned.fingerprint and tag == inputs_tag(planned.fingerprint) else tag
        yield f"  tag          {name}: {_told_tag(answer)}"
    if found.inputs is not None:
        yield from _told_inputs(found, found.inputs)
    yield from _told_difference(found)


def _tag_data(answer: Answer) -> dict[str, Any] | None:
    if answer is None:
        return None
    if isinstance(answer, SleeperImagesError):
        return {"error": answer.message}
    return {"digest": str(answer.digest), "media_type": answer.media_type, "size": answer.size}


def _told_tag(answer: Answer) -> str:
    if answer is None:
        return "not there"
    return printable(answer.message) if isinstance(answer, SleeperImagesError) else str(answer.digest)


def _told_inputs(found: Explanation, made: Inputs) -> Iterator[str]:
    yield "  made of"
    yield f"    {found.file('Dockerfile')}  {_short(made.dockerfile)}"
    for item in made.context:
        if item.content != made.dockerfile:
            what = {"directory": "directory", "symlink": f"→ {printable(item.content)}"}.get(item.kind)
            yield f"    {found.file(item.path)}  {what or _short(item.content)}" + (
                "  executable" if item.executable else ""
            )
    for base, digest in made.bases:
        yield f"    base {printable(base)}  {_short(digest) if digest else 'only its name counts'}"
    for name, value in made.build_args:
        yield f"    build argument {printable(name)}={printable(value)}"
    yield f"    for {', '.join(made.platforms)}" + (", with attestations" if made.attestations else "")
    if made.revision:
        yield f"    revision {printable(made.revision)}"


def _told_difference(found: Explanation) -> Iterator[str]:
    compared, version = found.planned.comparison, found.version
    if compared is None:
        return
    if compared.changes is None:
        yield f"  what differs cannot be told: {printable(compared.untold)}"
        return
    if not compared.changes:
        yield f"  nothing differs from what {version} is on ({compared.digest.short})"
        return
    yield f"  differs from what {version} is on ({compared.digest.short})"
    for change in compared.changes:
        yield from _told_change(change, found)


def _told_change(change: Change, found: Explanation) -> Iterator[str]:
    yield f"    {tell(change, found.file, entries=False)}"
    if change.old != change.new and change.what in {"context", "dockerfile", "base", "build argument"}:
        yield f"      {_side(change.old)} → {_side(change.new)}"
    for entry in change.entries or ():
        old, new = entry.old or "", entry.new or ""
        yield f"      {_SIGNS[entry.change]} {printable(entry.name)}  {old}{' → ' if old and new else ''}{new}"


def _side(content: str | None) -> str:
    return "nothing" if content is None else printable(_short(content)) or "none"


def _short(content: str) -> str:
    """Return a digest with as many digits as people compare, behind what it is of."""
    kind, colon, digits = content.partition(":")
    hexadecimal, space, rest = digits.partition(" ")
    if not colon or not (kind == "sha256" or kind.startswith("jar-")):
        return content
    return f"{kind}:{hexadecimal[:12]}{space}{rest}"
