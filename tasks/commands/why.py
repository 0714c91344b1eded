"""`doit why IMAGE`: the whole story of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from tasks.commands import chosen
from tasks.commands.options import JSON, encoded, flags_first
from tasks.commands.plan import target
from tasks.configuration.suggest import did_you_mean
from tasks.errors import SleeperImagesError
from tasks.inputs.difference import Change
from tasks.inputs.fingerprint import Inputs, inputs_tag
from tasks.inputs.told import printable, tell
from tasks.model import Image
from tasks.plan import Planned, file_of, plan
from tasks.session import Session, close, current

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


class Why(DoitCmdBase):
    """Prints one image's decision, what it is made of, and what differs from what the version tag is on."""

    name = "why"
    doc_purpose = "say why an image would be built, entry by entry inside its jars"
    doc_usage = "IMAGE [VARIABLE=VALUE ...]"
    doc_description = "It works on a fresh clone, too: what an image was made of is recorded in the registry."

    execute_tasks = False

    cmd_options = (JSON,)

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse the words of the command line and run the command."""
        return super().parse_execute(flags_first(in_args, self.cmd_options))

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code."""
        try:
            return int(super().execute(params, args) or 0)
        finally:
            close()

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        session = current()
        image = _image(session, pos_args)
        chosen.check_sandbox(session)
        session.ask(pushes=[image], loads=())
        (planned,) = plan(session, [image], {}, whole=True).images
        if json:
            self.outstream.write(encoded(as_json(planned, session)))
        else:
            self.outstream.writelines(f"{line}\n" for line in as_lines(planned, session))
        return 0


def as_json(planned: Planned, session: Session) -> dict[str, Any]:
    """Return the object that docs/plan-and-why.md describes."""
    made = _inputs(session, planned.image)
    return {
        **planned.data(),
        "target": target(session),
        "version": session.settings.version,
        "tags": _tags(session, planned.image),
        "made_of": None if made is None else _made_of(made),
        "untold": "" if planned.comparison is None else planned.comparison.untold,
    }


def as_lines(planned: Planned, session: Session) -> Iterator[str]:
    """Yield the story."""
    image = planned.image
    yield f"{image.name}: {planned.state}" + (f": {printable(planned.reason)}" if planned.reason else "")
    if planned.next_step:
        yield f"  next: {planned.next_step}"
    where = target(session)
    if where is not None:
        yield f"  repository   {where}/{image.name}"
    yield f"  fingerprint  {planned.fingerprint or '-'}"
    for tag, found in _tags(session, image).items():
        # The fingerprint stands above.
        name = "inputs-<fingerprint>" if planned.fingerprint and tag == inputs_tag(planned.fingerprint) else tag
        yield f"  tag          {name}: {_told_tag(found)}"
    made = _inputs(session, image)
    if made is not None:
        yield from _told_inputs(made, image, session.settings.version)
    yield from _told_difference(planned, session)


def _image(session: Session, args: list[str]) -> Image:
    images = {image.name: image for image in session.catalogue.images}
    if len(args) != 1:
        raise InvalidCommand("why takes the name of one image\n  next: `doit list --all push` lists them")
    name = args[0].removeprefix("push:")
    if name not in images:
        raise InvalidCommand(f"there is no image {name!r}{did_you_mean(name, images)}")
    return images[name]


def _inputs(session: Session, image: Image) -> Inputs | None:
    try:
        return session.decisions.gathered(image).inputs
    except SleeperImagesError:
        return None  # That is the decision, and told.


def _tags(session: Session, image: Image) -> Mapping[str, dict[str, Any] | None]:
    """Return what the registry holds under both tags; None under one that it does not have."""
    found: dict[str, dict[str, Any] | None] = {}
    for tag, answer in session.decisions.held(image).items():
        if answer is None:
            found[tag] = None
        elif isinstance(answer, SleeperImagesError):
            found[tag] = {"error": answer.message}
        else:
            found[tag] = {"digest": str(answer.digest), "media_type": answer.media_type, "size": answer.size}
    return found


def _made_of(made: Inputs) -> dict[str, Any]:
    return {
        "dockerfile": made.dockerfile,
        "context": [
            {"path": item.path, "kind": item.kind, "executable": item.executable, "content": item.content}
            for item in made.context
        ],
        "bases": dict(made.bases),
        "build_args": dict(made.build_args),
        "platforms": list(made.platforms),
        "attestations": made.attestations,
        "revision": made.revision,
    }


def _told_tag(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "not there"
    return printable(str(found["error"])) if "error" in found else str(found["digest"])


def _told_inputs(made: Inputs, image: Image, version: str | None) -> Iterator[str]:
    yield "  made of"
    yield f"    {file_of(image, version, 'Dockerfile')}  {_short(made.dockerfile)}"
    for item in made.context:
        if item.content != made.dockerfile:
            what = {"directory": "directory", "symlink": f"→ {printable(item.content)}"}.get(item.kind)
            name = printable(file_of(image, version, item.path))
            yield f"    {name}  {what or _short(item.content)}" + ("  executable" if item.executable else "")
    for base, digest in made.bases:
        yield f"    base {printable(base)}  {_short(digest) if digest else 'only its name counts'}"
    for name, value in made.build_args:
        yield f"    build argument {printable(name)}={printable(value)}"
    yield f"    for {', '.join(made.platforms)}" + (", with attestations" if made.attestations else "")
    if made.revision:
        yield f"    revision {printable(made.revision)}"


def _told_difference(planned: Planned, session: Session) -> Iterator[str]:
    compared, version = planned.comparison, session.settings.version
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
        yield from _told_change(change, planned.image, version)


def _told_change(change: Change, image: Image, version: str | None) -> Iterator[str]:
    yield f"    {tell(change, lambda path: file_of(image, version, path), entries=False)}"
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
