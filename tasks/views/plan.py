"""A plan, for people and for programs. docs/plan-and-why.md describes both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.decision import FAULTS, STATES
from tasks.engine.progress import human
from tasks.plan import Plan, Planned
from tasks.system.text import TOGETHER, WIDTH, folded, printable
from tasks.views.words import coloured

_WIDEST = len("unpinned")
_WORDS = {"build": "to build", "retag": "to retag"}


def as_object(found: Plan, where: str | None, version: str | None) -> dict[str, Any]:
    """Return the object that docs/plan-and-why.md describes."""
    return {
        "target": where,
        "version": version,
        "images": [one.data() for one in found.images],
        "totals": {**{word: found.counts.get(word, 0) for word in STATES}, "bytes": found.size},
    }


def as_text(found: Plan, where: str | None, version: str | None, *, colour: bool = False, width: int = WIDTH) -> str:
    """Return a line for each image, the notes and the total.

    Args:
        found: the plan.
        where: where images go, if that is known.
        version: the version tag, if that is known.
        colour: whether to write in colour.
        width: how wide lines are to be.
    """
    return "".join(f"{line}\n" for line in _lines(found, where, version, colour=colour, width=width))


def _lines(found: Plan, where: str | None, version: str | None, *, colour: bool, width: int) -> Iterator[str]:
    indent = " " * (_WIDEST + 5)
    if where is not None:
        yield f"sleeper-images → {where}  version {version or '-'}"
    told: set[str] = set()
    for one in found.images:
        first, *rest = folded(f"  {one.state:<{_WIDEST}} {_line(one, told)}", indent, width)
        yield first.replace(one.state, coloured(one.state, one.state, colour=colour), 1)
        yield from rest
    for step in dict.fromkeys(one.next_step for one in found.images):
        yield from folded(f"  next: {step}", " " * 8, width) if step else ()
    for base, images in found.unpinned.items():
        note = f"{printable(base)} ({_few(images)}): only its name counts; base=refresh locks it"
        yield from folded(f"  {'unpinned':<{_WIDEST}} {note}", indent, width)
    for paths, images in found.special.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        lost = "setuid, setgid and sticky bits are not kept; set them in the Dockerfile (COPY --chmod)"
        note = f"{printable(paths[0])}{more} ({_few(images)}): {lost}"
        yield from folded(f"  {'modes':<{_WIDEST}} {note}", indent, width)
    yield from folded(_total(found), "  ", width)


def _total(found: Plan) -> str:
    """Return the last line: how many images, what of each, and how much is to be sent."""
    counts = found.counts
    parts = ", ".join(f"{counts[word]} {_WORDS.get(word, word)}" for word in STATES if word in counts)
    noun = "image" if len(found.images) == 1 else "images"
    sent = f"; about {human(found.size)} to send" if found.size else ""
    return f"{len(found.images)} {noun}: {parts}{sent}" if found.images else "no images are selected"


def _line(one: Planned, told: set[str]) -> str:
    name = one.image.name if one.task.startswith("push:") else one.task
    if not one.reason:
        return f"{name}  {one.digest.short}" if one.digest else name
    if one.state in FAULTS:
        # One fault often is every image's.
        reason = "as above" if one.reason in told else printable(one.reason)
        told.add(one.reason)
        return f"{name}: {reason}"
    sent = f"  ({human(one.size).replace(' ', TOGETHER)})" if one.size else ""
    return f"{name}: {one.reason}{sent}"


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} images"  # noqa: PLR2004  # As many as a line takes.
