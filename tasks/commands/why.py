"""`doit why IMAGE`: the whole story of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.commands import chosen
from tasks.commands.options import JSON, Reading, arguments, encoded
from tasks.commands.plan import target
from tasks.composition import current
from tasks.configuration.suggest import did_you_mean
from tasks.errors import SleeperImagesError, quoted
from tasks.inputs.difference import Change
from tasks.inputs.fingerprint import Inputs, inputs_tag
from tasks.inputs.told import printable, tell
from tasks.model import Image
from tasks.registry.model import Answer
from tasks.session import Session
from tasks.views.plan import Planned, file_of, plan
from tasks.views.words import WIDTH, columns, folded

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


class Why(Reading):
    """Prints one image's decision, what it is made of, and what differs from what the version tag is on."""

    name = "why"
    doc_purpose = "say why an image would be built, entry by entry inside its jars"
    doc_usage = "IMAGE [VARIABLE=VALUE ...]"
    doc_description = "It works on a fresh clone, too: what an image was made of is recorded in the registry."

    cmd_options = (JSON,)

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        session = current()
        image = _image(session, arguments(pos_args))
        chosen.check_sandbox(session)
        session.ask(pushes=[image], loads=())
        story = _story(session, image)
        if json:
            self.say(encoded(as_json(story)))
        else:
            self.say("".join(f"{line}\n" for line in as_lines(story, columns(self.outstream))))
        return 0


@dataclass(frozen=True)
class Story:
    """All there is to say of an image.

    Attributes:
        planned: what a run would do about it.
        inputs: what it would be made of; None where that could not be read.
        tags: what the registry said of each of its tags; nothing where it was not asked.
        where: where images go, if that is known.
        version: the version tag, if that is known.
    """

    planned: Planned
    inputs: Inputs | None
    tags: Mapping[str, Answer]
    where: str | None
    version: str | None

    def file(self, path: str) -> str:
        """Return what people call a file of the image's context."""
        return printable(file_of(self.planned.image, self.version, path))


def as_json(story: Story) -> dict[str, Any]:
    """Return the object that docs/plan-and-why.md describes."""
    compared = story.planned.comparison
    return {
        "target": story.where,
        "version": story.version,
        **story.planned.data(),
        "tags": {tag: _tag_data(answer) for tag, answer in story.tags.items()},
        "made_of": None if story.inputs is None else asdict(story.inputs),
        "untold": "" if compared is None else compared.untold,
    }


def as_lines(story: Story, width: int = WIDTH) -> Iterator[str]:
    """Yield the story; its sentences are folded at `width`, and what people copy stays whole."""
    planned = story.planned
    reason = f": {printable(planned.reason)}" if planned.reason else ""
    yield from folded(f"{planned.image.name}: {planned.state}{reason}", "    ", width)
    if planned.next_step:
        yield from folded(f"  next: {planned.next_step}", " " * 8, width)
    if story.where is not None:
        yield f"  repository   {story.where}/{planned.image.name}"
    yield f"  fingerprint  {planned.fingerprint or '-'}"
    for tag, answer in story.tags.items():
        # The fingerprint stands above.
        name = "inputs-<fingerprint>" if planned.fingerprint and tag == inputs_tag(planned.fingerprint) else tag
        yield f"  tag          {name}: {_told_tag(answer)}"
    if story.inputs is not None:
        yield from _told_inputs(story, story.inputs)
    yield from _told_difference(story)


def _image(session: Session, names: list[str]) -> Image:
    images = {image.name: image for image in session.catalogue.images}
    if len(names) != 1:
        raise InvalidCommand("why takes the name of one image\n  next: `doit list --all push` lists them")
    name = names[0].removeprefix("push:")
    if name not in images:
        raise InvalidCommand(
            f"there is no image {quoted(name)}{did_you_mean(name, images)}\n  next: `doit list --all push` lists them"
        )
    return images[name]


def _story(session: Session, image: Image) -> Story:
    (planned,) = plan(session, [image], {}, whole=True).images
    try:
        inputs = session.decisions.gathered(image).inputs
    except SleeperImagesError:
        inputs = None  # That is the decision, and told.
    return Story(planned, inputs, session.decisions.held(image), target(session), session.settings.version)


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


def _told_inputs(story: Story, made: Inputs) -> Iterator[str]:
    yield "  made of"
    yield f"    {story.file('Dockerfile')}  {_short(made.dockerfile)}"
    for item in made.context:
        if item.content != made.dockerfile:
            what = {"directory": "directory", "symlink": f"→ {printable(item.content)}"}.get(item.kind)
            yield f"    {story.file(item.path)}  {what or _short(item.content)}" + (
                "  executable" if item.executable else ""
            )
    for base, digest in made.bases:
        yield f"    base {printable(base)}  {_short(digest) if digest else 'only its name counts'}"
    for name, value in made.build_args:
        yield f"    build argument {printable(name)}={printable(value)}"
    yield f"    for {', '.join(made.platforms)}" + (", with attestations" if made.attestations else "")
    if made.revision:
        yield f"    revision {printable(made.revision)}"


def _told_difference(story: Story) -> Iterator[str]:
    compared, version = story.planned.comparison, story.version
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
        yield from _told_change(change, story)


def _told_change(change: Change, story: Story) -> Iterator[str]:
    yield f"    {tell(change, story.file, entries=False)}"
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
