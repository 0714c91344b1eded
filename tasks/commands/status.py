"""`doit status`: what each version tag is on in the registry, and whether that is what is here.

    decisions (one look at all tags) ─▶ what each version tag is on ─▶ registry.images ────▶ Status ─▶ text or JSON
                                                                     └▶ lifecycle rules ────┘

Nothing is remembered: every answer is the registry's, of this moment. docs/status-and-digests.md describes the output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.commands.command import JSON, Reading, check_sandbox, encoded, flag, no_arguments
from tasks.commands.table import age, aligned, coloured, short_platforms
from tasks.decision import STATES, Blocked, Decision, reason, state
from tasks.errors import RegistryError
from tasks.graph.load import current
from tasks.model import Image
from tasks.reference import Digest, Repository
from tasks.registry.images import WORKERS, Deployed, inspect
from tasks.registry.images import look as look_at
from tasks.registry.model import Answer
from tasks.registry.proof import repair
from tasks.run_context import RunContext
from tasks.system.parallel import Pool
from tasks.system.terminal import colours
from tasks.system.text import human, wrapped

UNANSWERED = 1
"""The exit code if the registry did not answer for every image, or has lost a part of one."""

_MOST_NAMED = 3
"""How many missing parts of an image are named."""

_HEADINGS = {
    "current": "current",
    "retag": "not current: the version tag has to move",
    "build": "not current: has to be built and pushed",
    "blocked": "cannot be compared or cannot be pushed",
    "unknown": "no answer",
}

_COLUMNS = ("image", "digest", "platforms", "size", "age")


class StatusCommand(Reading):
    """Prints what the registry holds of the selected images."""

    name = "status"
    doc_purpose = "show what is deployed, and whether it is what is here"
    doc_usage = "[--deep] [VARIABLE=VALUE ...]"
    doc_description = (
        "Asks the registry for every selected image at once and remembers nothing. Exit code 0; 1 if the registry did "
        "not answer for every image or has lost a part of one; 3 if no setting says which registry. "
        "docs/status-and-digests.md describes the JSON."
    )

    cmd_options = (JSON, flag("deep", "also ask for every manifest, config and layer"))

    def _execute(self, json: bool, deep: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        no_arguments(pos_args, self.name)
        context = current()
        check_sandbox(context)
        now = datetime.now(UTC)
        found = look(context, now, deep=deep)
        colour = colours(self.outstream)
        self.say(encoded(as_object(found)) if json else as_text(found, now=now, colour=colour))
        return 0 if all(row.answered for row in found.images) else UNANSWERED


@dataclass(frozen=True)
class ImageStatus:
    """One image.

    Attributes:
        state: one of `tasks.decision.STATES`: what a push would do.
        reason: why; empty if the image is current.
        digest: what the version tag is on; None if the tag does not exist or was not answered.
        held: the image under that tag; None if it does not exist or could not be read.
        fault: why it could not be read, or what the registry has lost of it; otherwise empty.
        expiry: what a lifecycle rule of its repository does to it soon; otherwise empty.
    """

    image: Image
    repository: Repository
    state: str
    reason: str
    digest: Digest | None
    held: Deployed | None
    fault: str
    expiry: str = ""

    @property
    def answered(self) -> bool:
        """Whether the registry answered everything about the image, and has all of it."""
        return self.state != "unknown" and not self.fault


@dataclass(frozen=True)
class Status:
    """All images.

    Attributes:
        prefix: what comes before `/<image>` in every repository.
        images: the selected ones, in the catalogue's order.
        no_push_time: why the registry may not tell when an image was pushed.
        fault: why it could not be asked for that; otherwise empty.
        expiry_fault: why its lifecycle rules could not be read; otherwise empty.
    """

    prefix: str
    version: str
    images: tuple[ImageStatus, ...]
    no_push_time: str
    fault: str
    expiry_fault: str = ""


# What it asks


def look(context: RunContext, now: datetime, *, deep: bool = False) -> Status:
    """Return the status of all selected images.

    Ages are counted from `now`. Where `deep`, each of their manifests, configs and layers is asked for, too.

    Raises:
        SleeperImagesError: no setting says where images go, or under which version.
    """
    context.settings.require_destination(inputs=False)
    images, version, target = context.selected, context.version, context.target
    context.ask(pushes=images, loads=())
    decided = {image.name: context.decisions.of(image) for image in images}
    tags = _version_tags(context, decided)
    wanted = {
        image.name: (context.target.repository(image), tag.digest)
        for image in images
        if (tag := tags[image.name]) is not None and not isinstance(tag, RegistryError)
    }
    answers = inspect(context.target.client, wanted, target.backend.pushed_at, deep=deep) if wanted else None
    expiries, expiry_fault = _expiries(context, wanted, now)
    rows = []
    for image in images:
        tag = tags[image.name]
        fault = str(tag) if isinstance(tag, RegistryError) else ""
        held = answers.images.get(image.name) if answers is not None else None
        if image.name in wanted and held is None:
            fault = "it was deleted while it was being read\n  next: run again"
        if isinstance(held, RegistryError):
            held, fault = None, str(held)
        fault = fault or (_incomplete(image, held.missing) if held is not None else "")
        decision = decided[image.name]
        rows.append(
            ImageStatus(
                image=image,
                repository=context.target.repository(image),
                state=state(decision),
                reason=reason(decision),
                digest=wanted[image.name][1] if image.name in wanted else None,
                held=held,
                fault="" if fault == reason(decision) else fault,
                expiry=expiries.get(image.name, ""),
            )
        )
    fault = str(answers.fault) if answers is not None and answers.fault is not None else ""
    return Status(target.prefix, version, tuple(rows), target.backend.no_push_time, fault, expiry_fault)


def _expiries(
    context: RunContext, wanted: Mapping[str, tuple[Repository, Digest]], now: datetime
) -> tuple[dict[str, str], str]:
    """Return by image what a lifecycle rule does to it soon, and why that is unknown for some."""
    found, fault = {}, ""
    with Pool(WORKERS) as pool:
        asked = {name: pool.submit(context.target.backend.expiry, *place, now) for name, place in wanted.items()}
        for name, answer in asked.items():
            try:
                found[name] = answer.result()
            except RegistryError as error:
                fault = fault or str(error)
    return found, fault


def _version_tags(context: RunContext, decided: Mapping[str, Decision]) -> dict[str, Answer]:
    """Return what each version tag is on: from the look that the decisions used, or from a second look.

    An image whose files are missing is blocked before the first look, and may still be deployed.
    """
    found = {image.name: context.decisions.held(image).get(context.version) for image in context.selected}
    unasked = [
        image
        for image in context.selected
        if isinstance(decided[image.name], Blocked) and context.version not in context.decisions.held(image)
    ]
    if unasked:
        wanted = {image.name: (context.target.repository(image), (context.version,)) for image in unasked}
        answers = look_at(context.target.client, wanted)
        found |= {name: tags[context.version] for name, tags in answers.items()}
    return found


# What it shows


def as_object(found: Status) -> dict[str, Any]:
    """Return the status as JSON has it."""
    return {
        "prefix": found.prefix,
        "version": found.version,
        "pushed_fault": found.fault or None,
        "lifecycle_fault": found.expiry_fault or None,
        "images": [_image_object(row, found.version) for row in found.images],
    }


def as_text(found: Status, *, now: datetime, colour: bool) -> str:
    """Return the status for people: current images first, the others with their reasons.

    Ages are counted from `now`.
    """
    mixed = len(_since(found)) > 1
    cells = [_cells(row, now, mixed=mixed) for row in found.images]
    heading, *table = aligned([_COLUMNS, *cells], indent="  ", right={3, 4})
    line_of = dict(zip((row.image.name for row in found.images), table, strict=True))
    lines = [f"{found.prefix}  version {found.version}", "", heading]
    for name in STATES:
        rows = [row for row in found.images if row.state == name]
        if not rows:
            continue
        lines.append(coloured(_HEADINGS[name], name, colour=colour))
        reasons, expiries = _shared([row.reason for row in rows]), _shared([row.expiry for row in rows])
        for row, why, expiry in zip(rows, reasons, expiries, strict=True):
            lines.append(line_of[row.image.name])
            lines += [line for text in (why, row.fault, expiry) for line in wrapped(text, "      ")]
    return "\n".join([*lines, "", *_footer(found), ""])


def _shared(texts: list[str]) -> Iterator[str]:
    """Yield each row's text; neighbours that share a text have it once, under the last of them."""
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
        yield from wrapped(f"{what}; the push: {found.fault or found.no_push_time}", "")
    if any(row.expiry for row in found.images):
        yield "docs/status-and-digests.md describes safe lifecycle rules"
    if found.expiry_fault:
        yield from wrapped(f"lifecycle rules could not be read: {found.expiry_fault}", "")


def _since(found: Status) -> set[bool]:
    """Return whether ages count from the push (True), from the build (False), or both."""
    return {row.held.since.pushed for row in found.images if row.held is not None and row.held.since is not None}


def _cells(row: ImageStatus, now: datetime, *, mixed: bool) -> tuple[str, ...]:
    held = row.held
    if held is None:
        return (row.image.name, row.digest.short if row.digest else "-", "", "", "")
    since = held.since
    ago = "-" if since is None else age(since.at, now) + ("*" if mixed and not since.pushed else "")
    return (row.image.name, held.digest.short, short_platforms(held.platforms), human(held.size), ago)


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


def _incomplete(image: Image, digests: Sequence[Digest]) -> str:
    if not digests:
        return ""
    named = ", ".join(digest.short for digest in digests[:_MOST_NAMED])
    more = f" and {len(digests) - _MOST_NAMED} more" if len(digests) > _MOST_NAMED else ""
    return f"incomplete in the registry, missing: {named}{more}\n  next: {repair(image)}"
