"""`doit why IMAGE`: all about one image, and why it would be built.

plan, also of an image to retag ─┐
its inputs, its tags ────────────┴▶ Explanation ─▶ text or JSON, as docs/plan-and-why.md describes them
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.commands.command import EXIT_CODE, JSON, Reading, arguments, check_sandbox, encoded, state_code
from tasks.commands.plan import Planned, file_of, plan, where
from tasks.configuration.faults import did_you_mean
from tasks.errors import SleeperImagesError
from tasks.graph.load import current
from tasks.image.difference import Change, describe, described
from tasks.image.fingerprint import Inputs, inputs_tag
from tasks.model import Image
from tasks.registry.model import Answer
from tasks.run_context import RunContext
from tasks.system.terminal import columns
from tasks.system.text import WIDTH, folded, printable, quoted

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


class Why(Reading):
    """Prints one image's decision, its inputs, and what differs from what the version tag is on."""

    name = "why"
    doc_purpose = "show why an image would be built, entry by entry inside its jars"
    doc_usage = "IMAGE [VARIABLE=VALUE ...]"
    doc_description = "It also works on a fresh clone: the registry holds a record of each image's inputs."

    cmd_options = (JSON, EXIT_CODE)

    def _execute(self, json: bool, exit_code: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        context = current()
        image = _image(context, arguments(pos_args))
        check_sandbox(context)
        context.ask(pushes=[image], loads=())
        found = explain(context, image)
        self.say(encoded(as_object(found)) if json else as_text(found, columns(self.outstream)))
        return state_code({found.planned.state}) if exit_code else 0


@dataclass(frozen=True)
class Explanation:
    """All about one image.

    Attributes:
        planned: what a run would do about it.
        inputs: what it would be made of; None if they cannot be read.
        tags: the registry's answer for each of its tags; empty if it was not asked.
        where: where images go, if that is known.
        version: the version tag, if that is known.
    """

    planned: Planned
    inputs: Inputs | None
    tags: Mapping[str, Answer]
    where: str | None
    version: str | None

    def file(self, path: str) -> str:
        """Return how users know a file of the image's context."""
        return printable(file_of(self.planned.image, self.version, path))


# What it asks


def explain(context: RunContext, image: Image) -> Explanation:
    """Return all about one image."""
    (planned,) = plan(context, [image], {}, whole=True).images
    try:
        inputs = context.decisions.collected(image).inputs
    except SleeperImagesError:
        inputs = None  # The decision reports it.
    return Explanation(planned, inputs, context.decisions.held(image), where(context), context.settings.version)


def _image(context: RunContext, names: list[str]) -> Image:
    images = {image.name: image for image in context.catalogue.images}
    listed = "\n  next: `doit list --all push` lists them"
    if len(names) != 1:
        raise InvalidCommand(f"why takes the name of one image{listed}")
    name = names[0].removeprefix("push:")
    if name not in images:
        raise InvalidCommand(f"unknown image {quoted(name)}{did_you_mean(name, images)}{listed}")
    return images[name]


# What it shows


def as_object(found: Explanation) -> dict[str, Any]:
    """Return the explanation as JSON has it."""
    compared = found.planned.comparison
    return {
        "target": found.where,
        "version": found.version,
        **found.planned.data(),
        "tags": {tag: _tag_data(answer) for tag, answer in found.tags.items()},
        "made_of": None if found.inputs is None else asdict(found.inputs),
        "omitted": "" if compared is None else compared.omitted,
    }


def as_text(found: Explanation, width: int = WIDTH) -> str:
    """Return the explanation for people: sentences are folded at `width`, and what users copy stays whole."""
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
        # The line above shows the fingerprint.
        name = "inputs-<fingerprint>" if planned.fingerprint and tag == inputs_tag(planned.fingerprint) else tag
        yield f"  tag          {name}: {_tag_text(answer)}"
    if found.inputs is not None:
        yield from _inputs(found, found.inputs)
    yield from _differences(found)


def _tag_data(answer: Answer) -> dict[str, Any] | None:
    if answer is None:
        return None
    if isinstance(answer, SleeperImagesError):
        return {"error": answer.message}
    return {"digest": str(answer.digest), "media_type": answer.media_type, "size": answer.size}


def _tag_text(answer: Answer) -> str:
    if answer is None:
        return "not found"
    return printable(answer.message) if isinstance(answer, SleeperImagesError) else str(answer.digest)


def _inputs(found: Explanation, made: Inputs) -> Iterator[str]:
    yield "  made of"
    yield f"    {found.file('Dockerfile')}  {_short(made.dockerfile)}"
    for item in made.context:
        if item.content != made.dockerfile:
            yield f"    {found.file(item.path)}  {_side(described(item))}"
    for base, digest in made.bases:
        yield f"    base {printable(base)}  {_short(digest) if digest else 'only its name counts'}"
    for name, value in made.build_args:
        yield f"    build argument {printable(name)}={printable(value)}"
    yield f"    for {', '.join(made.platforms)}" + (", with attestations" if made.attestations else "")
    if made.revision:
        yield f"    revision {printable(made.revision)}"


def _differences(found: Explanation) -> Iterator[str]:
    compared, version = found.planned.comparison, found.version
    if compared is None:
        return
    if compared.changes is None:
        yield f"  differences unknown: {printable(compared.omitted)}"
        return
    if not compared.changes:
        yield f"  the same inputs as what {version} is on ({compared.digest.short})"
        return
    yield f"  differs from what {version} is on ({compared.digest.short})"
    for change in compared.changes:
        yield from _change(change, found)


def _change(change: Change, found: Explanation) -> Iterator[str]:
    yield f"    {describe(change, found.file, entries=False)}"
    if change.old != change.new and change.what in {"context", "dockerfile", "base", "build argument"}:
        yield f"      {_side(change.old)} → {_side(change.new)}"
    for entry in change.entries or ():
        old, new = entry.old or "", entry.new or ""
        yield f"      {_SIGNS[entry.change]} {printable(entry.name)}  {old}{' → ' if old and new else ''}{new}"


def _side(content: str | None) -> str:
    return "nothing" if content is None else printable(_short(content)) or "none"


def _short(content: str) -> str:
    """Return a digest with its prefix and as many digits as people compare; other content unchanged."""
    kind, colon, digits = content.partition(":")
    hexadecimal, space, rest = digits.partition(" ")
    if not colon or not (kind == "sha256" or re.fullmatch("[a-z]+-[0-9]+", kind)):
        return content
    return f"{kind}:{hexadecimal[:12]}{space}{rest}"
