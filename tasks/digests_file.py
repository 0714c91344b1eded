"""digests.json: which image is deployed, byte for byte, for the CDK and for review in git.

    decisions ─▶ current ones ─▶ DigestsFile ─▶ text ─▶ `digests`, and STATE_DIR/digests.json after a run that pushes
    text ─▶ parse ─▶ DigestsFile ─▶ one look at the registry ─▶ differences

It is written for others and decides nothing here. An image stands in it only with both its tags on its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.decision import Current
from tasks.errors import RegistryError, SettingsError, SleeperImagesError
from tasks.image.fingerprint import inputs_tag
from tasks.image.gather import platforms
from tasks.model import Image
from tasks.reference import Digest, Repository, check_tag
from tasks.registry.model import Answer
from tasks.session import Session
from tasks.system import files

SCHEMA = 1
"""The version of the file's format."""

PROPERTY = "sleeper.ecr.repository.prefix"
"""The instance property that says where Sleeper finds its images."""

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_NEXT_STEP = "write it again: `doit digests --output FILE`"


@dataclass(frozen=True)
class Entry:
    """One image.

    Attributes:
        repository: where it is.
        tag: the version tag.
        digest: what that tag is on.
        platforms: what the image is for, sorted.
        fingerprint: what it is made of; `inputs-<fingerprint>` is its other tag.
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
        prefix: what stands before `/<image>` in every repository, with the registry.
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
        """Return the file: sorted by name, one value a line, so that git shows what changed."""
        return json.dumps(self.as_object(), indent=2) + "\n"


def property_line(path: str) -> str:
    """Return the line for instance.properties.

    Args:
        path: what stands before `/<image>`, without the registry: Sleeper puts its account's ECR host before it.
    """
    return f"{PROPERTY}={path}\n"


def parse(text: str) -> DigestsFile:
    """Read a file's text.

    Raises:
        SettingsError: it is no file of ours.
    """
    try:
        found = json.loads(text)
        if found["schema"] != SCHEMA:
            raise SettingsError(f"it is of schema {found['schema']!r}, and this reads {SCHEMA}", _NEXT_STEP)
        images = {name: _entry(name, entry) for name, entry in found["images"].items()}
        return DigestsFile(_text(found["prefix"]), images)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as fault:
        raise SettingsError(
            f"it is none that `doit digests` wrote ({type(fault).__name__}: {fault})", _NEXT_STEP
        ) from None


def of(session: Session, images: Iterable[Image]) -> DigestsFile:
    """Return the current ones of `images`, by the decisions that have been made; asks nothing.

    Raises:
        SleeperImagesError: nothing says where images go.
    """
    known = session.decisions.known()
    entries = {}
    for image in images:
        decision = known.get(image.name)
        if isinstance(decision, Current):
            entries[image.name] = Entry(
                session.repository(image),
                session.version,
                decision.digest,
                platforms(image, session.settings),
                session.decisions.gathered(image).inputs.fingerprint(),
            )
    return DigestsFile(session.target.prefix, entries)


def record(session: Session) -> str:
    """Bring STATE_DIR/digests.json up to date with what a run pushed or found to be current.

    What an earlier run wrote of images that this one did not look at stays, as long as the prefix and the version are
    the same: those tags have not been moved from here.

    Returns:
        Why it could not be written, or nothing.
    """
    if not session.pushes or "decisions" not in vars(session):
        return ""
    path = session.state.pushed
    try:
        known = session.decisions.known()
        if any(isinstance(decision, Current) for decision in known.values()):
            new = of(session, session.pushes)
            kept = {name: entry for name, entry in _kept(path, new).items() if name not in known}
            files.replace(path, DigestsFile(new.prefix, {**kept, **new.images}).text())
    except OSError as fault:
        return f"{path} cannot be written: {fault.strerror}"
    except SleeperImagesError as error:
        return error.message
    return ""


def differences(session: Session, written: DigestsFile) -> tuple[dict[str, str], dict[str, str]]:
    """Compare a file with the registry, and with which images are selected.

    Args:
        session: where images go; only that registry is asked, whatever the file says.
        written: the file.

    Returns:
        By image, what differs; and what could not be found out.

    Raises:
        SleeperImagesError: nothing says where images go.
    """
    from tasks.registry.images import look  # noqa: PLC0415  # Only what asks the registry pays for it.

    differing = {image.name: "it is selected, and not in the file" for image in session.selected}
    prefix, asked = session.target.prefix, {}
    for name, entry in written.images.items():
        differing.pop(name, None)
        if str(entry.repository) == f"{prefix}/{name}":
            asked[name] = (entry.repository, (entry.tag, inputs_tag(entry.fingerprint)))
        else:
            differing[name] = f"it is in {str(entry.repository).removesuffix('/' + name)}, and would be in {prefix}"
    unanswered = {}
    for name, answers in look(session.client, asked).items():
        for tag, answer in answers.items():
            if isinstance(answer, RegistryError):
                unanswered[name] = str(answer)
            elif name not in differing and (what := _difference(tag, answer, written.images[name].digest)):
                differing[name] = what
    return differing, unanswered


def _difference(tag: str, answer: Answer, digest: Digest) -> str:
    short = tag if len(tag) < len(inputs_tag("")) + 64 else tag[: len(inputs_tag("")) + 12]
    if answer is None:
        return f"there is no tag {short}"
    assert not isinstance(answer, RegistryError)  # noqa: S101  # Told to mypy: the caller has seen to it.
    return "" if answer.digest == digest else f"tag {short} is on {answer.digest.short}, in the file {digest.short}"


def _kept(path: Path, new: DigestsFile) -> dict[str, Entry]:
    try:
        old = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SettingsError):
        return {}  # There is none, or it is damaged: it is written anew.
    tags = {entry.tag for entry in (*old.images.values(), *new.images.values())}
    return dict(old.images) if old.prefix == new.prefix and len(tags) == 1 else {}


def _entry(name: str, entry: Mapping[str, Any]) -> Entry:
    fingerprint = _text(entry["fingerprint"])
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise SettingsError(f"{name}: {fingerprint!r} is no fingerprint", _NEXT_STEP)
    return Entry(
        Repository.parse(_text(entry["repository"])),
        check_tag(_text(entry["tag"])),
        Digest(_text(entry["digest"])),
        tuple(_text(platform) for platform in entry["platforms"]),
        fingerprint,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
