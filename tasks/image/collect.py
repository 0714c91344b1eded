"""Collects what images are made of: reads it below SCRIPTS_DIR, for many images at once.

SCRIPTS_DIR/docker/<directory> ─▶ context.listing ─┐
SCRIPTS_DIR/jars/<jar> ─▶ added as lambda.jar ─────┴▶ digests of all files at once ─▶ Inputs
Dockerfile ─▶ dockerfile.bases ─▶ the locked digests ─────────────────────────────────┘
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.configuration.settings import Settings
from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image import context, dockerfile, text
from tasks.image.difference import DIGITS, Listing, is_archive
from tasks.image.fingerprint import Inputs
from tasks.image.jar import file_state
from tasks.image.jar.cache import Digested, Digests
from tasks.image.jar.file_state import FileState
from tasks.image.jar.formats import JAR, format_of
from tasks.model import VERSION_PLACEHOLDER, Image

LAMBDA_JAR = "lambda.jar"
"""The name under which the lambda Dockerfile copies its jar (the document's "Lambda images")."""

_HEAD_BYTES = 1024
_TAR_AT = 257

_EMPTY_ARCHIVE_BYTES = 22
"""The size of a zip archive without entries: its end record."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_KINDS = (
    (b"<!doctype html", "an HTML page, such as a server gives instead of a file"),
    (b"<html", "an HTML page, such as a server gives instead of a file"),
    (b"<?xml", "an XML document, such as a server gives instead of a file"),
    (b"{", "a JSON document, such as a server gives instead of a file"),
    (b"pk\5\6", "a zip archive without entries"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"bzh", "compressed by bzip2"),
    (b"\xfd7zxz", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xca\xfe\xba\xbe", "a Java class"),
    (b"\x7felf", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)
"""What files of a kind begin with, in lower case, and what they are."""

_GET_JAR = "run the Maven build, or fetch the jar again"

_SHOWN_VERSIONS = 3
_REMEDY = "run the Maven build, or set SCRIPTS_DIR to Sleeper's scripts directory"


@dataclass(frozen=True)
class Sources:
    """Where an image's files are.

    Attributes:
        dockerfile: the Dockerfile.
        entries: what `COPY . /` sees, the lambda's jar included.
        states: the state in which each file that counts was read; empty until then.
    """

    dockerfile: Path
    entries: tuple[context.Entry, ...]
    states: Mapping[Path, FileState] = field(default_factory=dict)

    @property
    def files(self) -> set[Path]:
        """The files that count."""
        return {self.dockerfile, *(entry.source for entry in self.entries if entry.source is not None)}


@dataclass(frozen=True)
class Collected:
    """An image, its inputs, and the files that they were read from."""

    image: Image
    inputs: Inputs
    sources: Sources


class Collector:
    """Collects inputs. A run has one, which reads what images share once.

    Args:
        settings: SCRIPTS_DIR, VERSION and PLATFORM are used.
        bases: the locked digests of base images.
        digests: the digests of files, cached.
        catalogue: the images that the catalogue builds.
    """

    def __init__(
        self, settings: Settings, bases: Mapping[str, str], digests: Digests, catalogue: Iterable[Image] = ()
    ) -> None:
        self._settings = settings
        self._bases = bases
        self._digests = digests
        self._catalogue = {image.name: image for image in catalogue}
        self._base_names: dict[object, tuple[tuple[str, ...], frozenset[str]]] = {}

    def collect(self, images: Iterable[Image]) -> dict[str, Collected | InputError]:
        """Return each image's inputs, or the error, by its name."""
        results: dict[str, Collected | InputError] = {}
        located: dict[str, tuple[Image, Sources]] = {}
        for image in images:
            try:
                located[image.name] = (image, self._locate(image))
            except InputError as error:
                results[image.name] = error.about(image.name)
        digests = self._digests.of(sorted({path for _, sources in located.values() for path in sources.files}))
        for name, (image, sources) in located.items():
            try:
                found = {path: _found(digests[path]) for path in sorted(sources.files)}
                _check_jars(sources, found)
                states = {path: one.state for path, one in found.items()}
                results[name] = Collected(image, self._inputs(image, sources, found), replace(sources, states=states))
            except InputError as error:
                results[name] = error.about(name)
        return results

    def _locate(self, image: Image) -> Sources:
        directory = build_directory(image, self._settings)
        if not directory.is_dir():
            raise MissingInputError(f"the build directory {directory} does not exist", _REMEDY)
        jar = jar_path(image, self._settings)
        if jar is not None and not jar.is_file():
            raise MissingInputError(f"the jar {jar} does not exist", _jar_remedy(image, jar, self._settings))
        extra = {} if jar is None else {LAMBDA_JAR: jar}
        return Sources(context.dockerfile(directory), context.listing(directory, extra))

    def _inputs(self, image: Image, sources: Sources, found: Mapping[Path, Digested]) -> Inputs:
        recipe = found[sources.dockerfile].digest
        return Inputs(
            dockerfile=recipe,
            context=tuple(
                entry.item() if entry.source is None else entry.item(found[entry.source].digest)
                for entry in sources.entries
            ),
            build_args=tuple(sorted(image.build_args)),
            platforms=platforms(image, self._settings),
            attestations=image.attestations,
            revision=image.revision,
            bases=self._locked(image, sources.dockerfile, recipe),
        )

    def bases(self, images: Iterable[Image]) -> set[str]:
        """Return the references of all base images that the images' Dockerfiles name.

        Raises:
            InputError: a Dockerfile does not exist or cannot be read.
        """
        found: set[str] = set()
        for image in images:
            try:
                found.update(self._bases_of(image, self._locate(image).dockerfile)[0])
            except InputError as error:
                raise error.about(image.name) from error
        return found

    def _locked(self, image: Image, recipe: Path, digest: str) -> tuple[tuple[str, str], ...]:
        """Return the bases that the Dockerfile with this digest names, and the digests that they are locked to."""
        names, like_stages = self._bases_of(image, recipe, digest)
        for name in names:
            if name not in self._bases and _last_part(name) in self._catalogue:
                raise UnreadableInputError(
                    f"{recipe}: FROM {name}: this base image is also built by this catalogue, so it can change under "
                    "the same name",
                    f"lock it (base=refresh), or use a digest (FROM {name}@sha256:…)",
                )
            if name in like_stages:
                raise UnreadableInputError(
                    f"{recipe}: the base image {name} is locked, and a stage has the same name: BuildKit would use the "
                    "image in place of the stage",
                    f"rename the stage (FROM {name} AS base), or remove {name} from the catalogue's lock file",
                )
        return tuple((name, self._bases.get(name, "")) for name in names)

    def _bases_of(self, image: Image, recipe: Path, digest: str = "") -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the bases that the image's Dockerfile names, and those locked ones that have the name of a stage."""
        key = (recipe, digest, image.build_args, platforms(image, self._settings))
        if key not in self._base_names:
            try:
                content = recipe.read_bytes()
            except OSError as fault:
                raise file_state.unreadable(recipe, fault) from fault
            if digest and digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
                raise ChangedWhileBuildingError(f"{recipe} changed while it was read", "run again")
            source = text.decoded(content, recipe)
            try:
                names = dockerfile.bases(source, dict(image.build_args), key[3])
            except UnreadableInputError as error:
                raise UnreadableInputError(f"{recipe}: {error.message}", error.next_step) from error
            locked = [name for name in names if name in self._bases]
            like_stages = dockerfile.named_as_a_stage(source, locked) if locked else frozenset[str]()
            self._base_names[key] = names, like_stages
        return self._base_names[key]


def _last_part(reference: str) -> str:
    """Return the last part of a reference's path; empty for a reference with a digest, which never moves."""
    return "" if "@" in reference else reference.rpartition("/")[2].partition(":")[0]


def platforms(image: Image, settings: Settings) -> tuple[str, ...]:
    """Return what the image is built for, sorted: the platforms of the image, or else PLATFORM."""
    return tuple(sorted(image.platforms)) if image.platforms else (settings.platform,)


def build_directory(image: Image, settings: Settings) -> Path:
    """Return the directory that the image is built from; it need not exist."""
    return settings.require_scripts_dir() / "docker" / image.directory


def jar_path(image: Image, settings: Settings) -> Path | None:
    """Return a lambda's jar, which need not exist; None for a deployment."""
    if image.jar is None:
        return None
    name = image.jar_name(settings.require_version())
    assert name is not None  # noqa: S101  # For mypy: an image with a jar has a name for it.
    return settings.require_scripts_dir() / "jars" / name


def _jar_remedy(image: Image, jar: Path, settings: Settings) -> str:
    """Return what to do about a missing jar; if the jar of another version exists, VERSION may be wrong."""
    before, _, after = (image.jar or "").partition(VERSION_PLACEHOLDER)
    names = (path.name for path in jar.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}")) if after else ()
    others = sorted({name.removeprefix(before).removesuffix(after) for name in names})
    if not others:
        return _REMEDY
    shown = ", ".join(others[:_SHOWN_VERSIONS])
    return (
        f"the version is {settings.require_version()} ({settings.origins['VERSION']}), and {jar.parent} has jars of "
        f"{shown}: set VERSION to {'that' if len(others) == 1 else 'one of these'}, or run the Maven build"
    )


def files(image: Image, settings: Settings) -> list[str]:
    """Return the image's file dependencies as `doit list --deps` shows them; empty if they cannot be known yet.

    A name that would move a terminal's cursor is left out. The file counts nevertheless: this list decides nothing.
    """
    scripts = str(settings.scripts_dir)
    found = [
        f"{folder}/{name}" for folder, _, names in os.walk(f"{scripts}/docker/{image.directory}") for name in names
    ]
    if not found:
        return []
    found.append(f"{scripts}/templates/version.txt")
    if image.jar is not None and settings.version is not None:
        found.append(f"{scripts}/jars/{image.jar_name(settings.version)}")
    return sorted(name for name in found if name.isprintable())


def _found(found: Digested | InputError) -> Digested:
    if isinstance(found, InputError):
        raise found
    return found


def _check_jars(sources: Sources, found: Mapping[Path, Digested]) -> None:
    """Refuse a `*.jar` that is not a jar, such as a broken download: no JVM would run it in the image."""
    for entry in sources.entries:
        source = entry.source
        if source is None or format_of(source) is not JAR:
            continue
        if not found[source].digest.startswith(JAR.prefix) or found[source].state.size == _EMPTY_ARCHIVE_BYTES:
            raise _not_a_jar(source, "" if entry.path == LAMBDA_JAR else entry.path)


def _not_a_jar(path: Path, ignorable: str = "") -> UnreadableInputError:
    """Return the error for a `*.jar` that is not a zip archive or has no entries.

    `ignorable` is its path for the ignore file, if the image may do without it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        head = b"?"
    what, step = _kind_of_file(head, path)
    if ignorable:
        step += f"; if the image does not need it, name {ignorable} in its .dockerignore"
    return UnreadableInputError(f"{path} is not a jar: it is {what}", step)


def _kind_of_file(head: bytes, path: Path) -> tuple[str, str]:
    if not head:
        return "empty", _GET_JAR
    if head.startswith(_LFS_POINTER):
        return "a Git LFS pointer, not the file itself", f"git -C {path.parent} lfs pull"
    if head[_TAR_AT:].startswith(b"ustar"):
        return "a tar archive", _GET_JAR
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for mark, kind in _KINDS if start.startswith(mark)), "not a zip archive"), _GET_JAR


def list_jars(collected: Collected, digests: Digests, paths: Iterable[str] | None = None) -> dict[str, Listing]:
    """List the entries of an image's jars, or of those at these paths of its context, for its record or to compare it.

    Returns:
        By path in the context, each entry's name and the first digits of its digest. A jar that cannot be read, or
        changed since the inputs were collected, is missing.
    """
    wanted = None if paths is None else set(paths)
    sources = {entry.path: entry.source for entry in collected.sources.entries}
    found: dict[str, Listing] = {}
    for item in collected.inputs.context:
        source = sources.get(item.path)
        if source is not None and is_archive(item) and (wanted is None or item.path in wanted):
            entries = digests.entries(source, collected.sources.states[source])
            if entries is not None:
                found[item.path] = {name: digest[:DIGITS] for name, digest in entries.items()}
    return found
