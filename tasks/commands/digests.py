"""`doit digests` and digests.json: the digests to deploy, for the CDK and for review in git.

    decisions ─▶ current images ─▶ DigestsFile ─▶ text ─▶ `digests`, and STATE_DIR/digests.json after a run that pushes
    text ─▶ parse ─▶ DigestsFile ─▶ one look at the registry ─▶ differences

The file is written for others and decides nothing here. It lists an image only if both its tags are on its digest.
docs/status-and-digests.md describes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.commands.command import (
    JSON,
    Reading,
    check_sandbox,
    complain,
    encoded,
    flag,
    no_arguments,
    read,
    text_option,
    write,
)
from tasks.commands.table import aligned, short_platforms
from tasks.decision import Current, reason, state
from tasks.errors import RegistryError, SettingsError, SleeperImagesError
from tasks.graph.load import current
from tasks.image.collect import platforms
from tasks.image.fingerprint import inputs_tag
from tasks.model import Image
from tasks.reference import Digest, Repository, check_tag
from tasks.registry.images import look
from tasks.registry.model import Answer
from tasks.run_context import RunContext
from tasks.system import files
from tasks.system.text import wrapped

DIFFERS = 1
"""The exit code if an image is not current, or the registry does not agree with the file."""

UNANSWERED = 2
"""The exit code if the registry did not answer for every image."""

SCHEMA = 1
"""The version of the file's format."""

PROPERTY = "sleeper.ecr.repository.prefix"
"""The instance property from which Sleeper knows where its images are."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_NEXT_STEP = "write it again: `doit digests --output FILE`"


class Digests(Reading):
    """Prints or writes digests.json, or compares one with the registry."""

    name = "digests"
    doc_purpose = "print the digests to deploy, or check a file of them against the registry"
    doc_usage = "[--output FILE | --check FILE | --properties] [VARIABLE=VALUE ...]"
    doc_description = (
        "Every selected image must be current: run push_all first. --check needs no SCRIPTS_DIR. Exit code 0; 1 if an "
        "image is not current or the registry does not agree; 2 if the registry did not answer; 3 if no setting says "
        "which registry. docs/status-and-digests.md describes the file."
    )

    cmd_options = (
        text_option("output", "write digests.json to this file", short="o"),
        text_option("check", "compare this file with the registry"),
        flag("properties", "print only the line for instance.properties"),
        JSON,
    )

    def _execute(self, output: str, check: str, properties: bool, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        no_arguments(pos_args, self.name)
        if sum(map(bool, (output, check, properties))) > 1:
            raise InvalidCommand("--output, --check and --properties exclude each other\n  next: use one of them")
        context = current()
        if properties:
            path = context.settings.require_repository_prefix()
            self.say(encoded({PROPERTY: path}) if json else property_line(path))
            return 0
        check_sandbox(context)
        return self._check(context, check, json=json) if check else self._write(context, output, json=json)

    def _write(self, context: RunContext, output: str, *, json: bool) -> int:
        context.settings.require_destination()  # Without it every image would be blocked by the same missing setting.
        context.ask(pushes=context.selected, loads=())
        decided = {image.name: context.decisions.of(image) for image in context.selected}
        behind = {name: one for name, one in decided.items() if not isinstance(one, Current)}
        if behind:
            complain(faults_as_text({name: f"{state(one)}: {reason(one)}" for name, one in behind.items()}))
            images = f"{len(behind)} image is" if len(behind) == 1 else f"{len(behind)} images are"
            unanswered = all(state(one) == "unknown" for one in behind.values())
            next_step = (
                "" if unanswered else "  next: `doit plan` shows what a push would do, `doit push_all` does it\n"
            )
            complain(f"not written: {images} not current\n{next_step}")
            return UNANSWERED if unanswered else DIFFERS
        found = of(context, context.selected)
        if output:
            write(output, found.text())
        self.say(found.text() if json else as_text(found))
        return 0

    def _check(self, context: RunContext, check: str, *, json: bool) -> int:
        try:
            written = parse(read(check))
        except SettingsError as error:
            raise InvalidCommand(f"{check}: {error}") from None
        differing, unanswered = differences(context, written)
        if json:
            self.say(encoded({"differences": differing, "unanswered": unanswered}))
        else:
            complain(faults_as_text({**differing, **unanswered}))
            if not differing and not unanswered:
                self.say(f"{check}: the registry agrees for all {len(written.images)} images\n")
            elif differing:
                noun = "image differs" if len(differing) == 1 else "images differ"
                again = "`doit push_all` pushes again, `doit digests --output FILE` writes the file again"
                complain(f"{check}: {len(differing)} {noun}\n  next: {again}\n")
        if differing:
            return DIFFERS
        return UNANSWERED if unanswered else 0


@dataclass(frozen=True)
class Entry:
    """One image.

    Attributes:
        repository: where it is.
        tag: the version tag.
        digest: what that tag is on.
        platforms: the image's, sorted.
        fingerprint: of its inputs; `inputs-<fingerprint>` is its other tag.
    """

    repository: Repository
    tag: str
    digest: Digest
    platforms: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class DigestsFile:
    """The file's content.

    Attributes:
        prefix: what comes before `/<image>` in every repository, with the registry.
        images: by name.
    """

    prefix: str
    images: Mapping[str, Entry]

    @property
    def property_line(self) -> str:
        """The line for instance.properties."""
        return property_line(self.prefix.partition("/")[2])

    def as_object(self) -> dict[str, Any]:
        """Return the content of the file."""
        return {
            "schema": SCHEMA,
            "prefix": self.prefix,
            "images": {
                name: {
                    "repository": str(entry.repository),
                    "tag": entry.tag,
                    "digest": str(entry.digest),
                    "platforms": list(entry.platforms),
                    "fingerprint": entry.fingerprint,
                }
                for name, entry in sorted(self.images.items())
            },
        }

    def text(self) -> str:
        """Return the file's text: sorted by name, with one value a line, so that git shows what changed."""
        return encoded(self.as_object())


def property_line(path: str) -> str:
    """Return the line for instance.properties.

    Args:
        path: what comes before `/<image>`, without the registry: Sleeper puts its account's ECR host before it.
    """
    return f"{PROPERTY}={path}\n"


def parse(text: str) -> DigestsFile:
    """Read a file's text.

    Raises:
        SettingsError: it is not a file of `doit digests`, or of another version of it.
    """
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            raise SettingsError(f"its schema is {found['schema']!r}, and this version reads {SCHEMA}", _NEXT_STEP)
        images = {name: _entry(name, entry) for name, entry in found["images"].items()}
        return DigestsFile(_text(found["prefix"]), images)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
        raise SettingsError(
            f"it was not written by `doit digests` ({type(fault).__name__}: {fault})", _NEXT_STEP
        ) from None


# What it asks


def of(context: RunContext, images: Iterable[Image]) -> DigestsFile:
    """Return the current ones of `images`, from the decisions that have been made; asks nothing.

    Raises:
        SleeperImagesError: no setting says where images go.
    """
    known = context.decisions.known()
    entries = {}
    for image in images:
        decision = known.get(image.name)
        if isinstance(decision, Current):
            entries[image.name] = Entry(
                context.target.repository(image),
                context.version,
                decision.digest,
                platforms(image, context.settings),
                context.decisions.collected(image).inputs.fingerprint(),
            )
    return DigestsFile(context.target.prefix, entries)


def record(context: RunContext) -> str:
    """Update STATE_DIR/digests.json with the images that a run pushed or found current.

    The entries of images that this run did not look at stay, as long as the prefix and the version are the same: this
    checkout has not moved those tags.

    Returns:
        Why the file could not be written; otherwise empty.
    """
    if not context.asked.pushes:
        return ""
    path = context.state.pushed
    try:
        known = context.decisions.known()
        if any(isinstance(decision, Current) for decision in known.values()):
            new = of(context, context.asked.pushes)
            kept = {name: entry for name, entry in _kept(_text_of(context), new).items() if name not in known}
            files.replace(path, DigestsFile(new.prefix, {**kept, **new.images}).text())
    except OSError as fault:
        return f"{path} cannot be written: {fault.strerror}"
    except SleeperImagesError as error:
        return error.message
    return ""


def differences(context: RunContext, written: DigestsFile) -> tuple[dict[str, str], dict[str, str]]:
    """Compare a file with the registry and with the selected images.

    Only the registry of `context` is asked, whatever the file says.

    Returns:
        What differs, by image; and why the registry did not answer, by image.

    Raises:
        SleeperImagesError: no setting says where images go.
    """
    differing = {image.name: "it is selected but not in the file" for image in context.selected}
    prefix, asked = context.target.prefix, {}
    for name, entry in written.images.items():
        differing.pop(name, None)
        if str(entry.repository) == f"{prefix}/{name}":
            asked[name] = (entry.repository, (entry.tag, inputs_tag(entry.fingerprint)))
        else:
            differing[name] = f"it is in {str(entry.repository).removesuffix('/' + name)}, not in {prefix}"
    unanswered = {}
    for name, answers in look(context.target.client, asked).items():
        for tag, answer in answers.items():
            if isinstance(answer, RegistryError):
                unanswered[name] = str(answer)
            elif name not in differing and (what := _difference(tag, answer, written.images[name].digest)):
                differing[name] = what
    return differing, unanswered


def _text_of(context: RunContext) -> str:
    try:
        return context.state.pushed.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""  # It does not exist, or is damaged: it is written again.


# What it shows


def as_text(found: DigestsFile) -> str:
    """Return the digests for people, and the line to paste."""
    rows = [
        (name, entry.digest.short, short_platforms(entry.platforms), entry.fingerprint[:12])
        for name, entry in sorted(found.images.items())
    ]
    lines = aligned([("image", "digest", "platforms", "fingerprint"), *rows])
    tags = {entry.tag for entry in found.images.values()}
    head = f"{found.prefix}  version {', '.join(sorted(tags)) or '-'}"
    return "\n".join([head, "", *lines, "", "instance.properties:", found.property_line])


def faults_as_text(faults: Mapping[str, str]) -> str:
    """Return what is wrong with each image; a text that several share appears once."""
    together: dict[str, list[str]] = {}
    for name, text in faults.items():
        together.setdefault(text, []).append(name)
    return "".join(
        f"{line}\n"
        for text, names in together.items()
        for line in (*wrapped(f"{', '.join(names)}:", ""), *wrapped(text, "  "))
    )


def _difference(tag: str, answer: Answer, digest: Digest) -> str:
    short = tag if len(tag) < len(inputs_tag("")) + 64 else tag[: len(inputs_tag("")) + 12]
    if answer is None:
        return f"tag {short} does not exist"
    assert not isinstance(answer, RegistryError)  # noqa: S101  # For mypy: its caller checks it.
    return "" if answer.digest == digest else f"tag {short} is on {answer.digest.short}, in the file {digest.short}"


def _kept(text: str, new: DigestsFile) -> dict[str, Entry]:
    """Return the former entries that still hold: none of an absent or damaged file, or of another prefix or version."""
    try:
        old = parse(text)
    except SettingsError:
        return {}
    tags = {entry.tag for entry in (*old.images.values(), *new.images.values())}
    return dict(old.images) if old.prefix == new.prefix and len(tags) == 1 else {}


def _entry(name: str, entry: Mapping[str, Any]) -> Entry:
    fingerprint = _text(entry["fingerprint"])
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise SettingsError(f"{name}: {fingerprint!r} is not a fingerprint", _NEXT_STEP)
    return Entry(
        Repository.parse(_text(entry["repository"])),
        check_tag(_text(entry["tag"])),
        Digest(_text(entry["digest"])),
        tuple(_text(platform) for platform in entry["platforms"]),
        fingerprint,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
