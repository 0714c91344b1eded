"""Gathers what images are made of, for many images at once, from below SCRIPTS_DIR.

SCRIPTS_DIR/docker/<directory> ─▶ context.listing ─┐
SCRIPTS_DIR/jars/<jar>  ─▶ laid over as lambda.jar ┴▶ digests, all files at once ─▶ Inputs
Dockerfile ─▶ dockerfile.bases ─▶ the locked digests ──────────────────────────────┘
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.configuration.settings import Settings
from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image import context, dockerfile, text
from tasks.image.fingerprint import Inputs, Item
from tasks.image.jar import not_a_jar
from tasks.image.jar.digests import Digested, Digests
from tasks.image.jar.stamp import FileStamp
from tasks.model import VERSION_PLACEHOLDER, Image

LAMBDA_JAR = "lambda.jar"
"""The name under which the lambda Dockerfile copies its jar (the document's "Lambda images")."""

_SHOWN_VERSIONS = 3
_REMEDY = "run the Maven build, or set SCRIPTS_DIR to Sleeper's scripts directory"


@dataclass(frozen=True)
class Sources:
    """Where an image's files are.

    Attributes:
        dockerfile: the Dockerfile.
        entries: what `COPY . /` sees, the lambda's jar included.
        stamps: of each file that counts, as it was when it was read; none before that.
    """

    dockerfile: Path
    entries: tuple[context.Entry, ...]
    stamps: Mapping[Path, FileStamp] = field(default_factory=dict)

    @property
    def files(self) -> set[Path]:
        """The files that count."""
        return {self.dockerfile, *(entry.source for entry in self.entries if entry.source is not None)}


@dataclass(frozen=True)
class Gathered:
    """An image's inputs and the files that they were read from."""

    inputs: Inputs
    sources: Sources


class Gatherer:
    """Gathers inputs; one for a run, so that what images share is read once.

    Args:
        settings: SCRIPTS_DIR, VERSION and PLATFORM are used.
        bases: the locked digests of base images.
        digests: the digests of files, cached.
        pushed: the names of the images that we push ourselves.
    """

    def __init__(
        self, settings: Settings, bases: Mapping[str, str], digests: Digests, pushed: Collection[str] = ()
    ) -> None:
        self._settings = settings
        self._bases = bases
        self._digests = digests
        self._pushed = frozenset(pushed)
        self._base_names: dict[object, tuple[tuple[str, ...], frozenset[str]]] = {}

    def gather(self, images: Iterable[Image]) -> dict[str, Gathered | InputError]:
        """Return each image's inputs by its name, or why it has none."""
        results: dict[str, Gathered | InputError] = {}
        located: dict[str, tuple[Image, Sources]] = {}
        for image in images:
            try:
                located[image.name] = (image, self._locate(image))
            except InputError as error:
                results[image.name] = error
        digests = self._digests.stamped(sorted({path for _, sources in located.values() for path in sources.files}))
        for name, (image, sources) in located.items():
            try:
                found = {path: _found(image, digests[path]) for path in sorted(sources.files)}
                _check_jars(image, sources, found)
                stamps = {path: one.stamp for path, one in found.items()}
                results[name] = Gathered(self._inputs(image, sources, found), replace(sources, stamps=stamps))
            except InputError as error:
                results[name] = error
        return results

    def _locate(self, image: Image) -> Sources:
        directory = build_directory(image, self._settings)
        if not directory.is_dir():
            raise MissingInputError(f"the build directory {directory} is not there", _REMEDY, image=image.name)
        jar = jar_path(image, self._settings)
        if jar is not None and not jar.is_file():
            remedy = _jar_remedy(image, jar, self._settings)
            raise MissingInputError(f"the jar {jar} is not there", remedy, image=image.name)
        with _about(image):
            recipe = context.dockerfile(directory)
            entries = context.listing(directory, {} if jar is None else {LAMBDA_JAR: jar})
        return Sources(recipe, entries)

    def _inputs(self, image: Image, sources: Sources, found: Mapping[Path, Digested]) -> Inputs:
        recipe = found[sources.dockerfile].digest
        return Inputs(
            dockerfile=recipe,
            context=tuple(
                Item(
                    entry.path,
                    entry.kind,
                    entry.executable,
                    (entry.target or "") if entry.source is None else found[entry.source].digest,
                )
                for entry in sources.entries
            ),
            build_args=tuple(sorted(image.build_args)),
            platforms=platforms(image, self._settings),
            attestations=image.attestations,
            revision=image.revision,
            bases=self._locked(image, sources.dockerfile, recipe),
        )

    def bases(self, images: Iterable[Image]) -> set[str]:
        """Return the references of all base images that the images' Dockerfiles name; InputError as `gather` has it."""
        return {name for image in images for name in self._bases_of(image, self._locate(image).dockerfile)[0]}

    def _locked(self, image: Image, recipe: Path, digest: str) -> tuple[tuple[str, str], ...]:
        """Return the bases that the image's Dockerfile, which has this digest, names, and what they are locked to."""
        names, like_stages = self._bases_of(image, recipe, digest)
        for name in names:
            if name not in self._bases and _last_part(name) in self._pushed:
                raise UnreadableInputError(
                    f"{recipe}: {name} is called like an image of the catalogue; pushed anew under that "
                    f"name it would be another, and {image.name} would not be rebuilt",
                    "lock it to what it is now (base=refresh), or name it by its digest (@sha256:…)",
                    image=image.name,
                )
            if name in like_stages:
                raise UnreadableInputError(
                    f"{recipe}: the base image {name} is locked, and a stage is called {name} as well: "
                    "BuildKit would take the image for what the stage makes",
                    f"give the stage another name (FROM {name} AS base), or take {name} out of the catalogue's lock",
                    image=image.name,
                )
        return tuple((name, self._bases.get(name, "")) for name in names)

    def _bases_of(self, image: Image, recipe: Path, digest: str = "") -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the bases that the image's Dockerfile names, and the locked ones that a stage is called like."""
        key = (recipe, digest, image.build_args, platforms(image, self._settings))
        if key not in self._base_names:
            content = recipe.read_bytes()
            if digest and digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
                raise ChangedWhileBuildingError(f"{recipe} changed while it was read", "run again", image=image.name)
            with _about(image):
                source = text.decoded(content, recipe)
            with _about(image, f"{recipe}: "):
                names = dockerfile.bases(source, dict(image.build_args), key[3])
                locked = [name for name in names if name in self._bases]
                like_stages = dockerfile.called_like_a_stage(source, locked) if locked else frozenset[str]()
                self._base_names[key] = names, like_stages
        return self._base_names[key]


def _last_part(reference: str) -> str:
    """Return the last part of a reference's path; nothing of one that holds a digest, which never moves."""
    return "" if "@" in reference else reference.rpartition("/")[2].partition(":")[0]


def platforms(image: Image, settings: Settings) -> tuple[str, ...]:
    """Return what the image is built for, sorted: its own platforms, or the one PLATFORM."""
    return tuple(sorted(image.platforms)) if image.platforms else (settings.platform,)


def build_directory(image: Image, settings: Settings) -> Path:
    """Return the directory that the image is built from; it need not exist."""
    return settings.require_scripts_dir() / "docker" / image.directory


def jar_path(image: Image, settings: Settings) -> Path | None:
    """Return a lambda's jar, which need not exist; None for a deployment."""
    if image.jar is None:
        return None
    name = image.jar_name(settings.require_version())
    assert name is not None  # noqa: S101  # Told to mypy: an image with a jar has a name for it.
    return settings.require_scripts_dir() / "jars" / name


def _jar_remedy(image: Image, jar: Path, settings: Settings) -> str:
    """Return what to do about a missing jar: another version's may be there, and then VERSION is what is wrong."""
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
    """Return the image's file dependencies as `doit list --deps` shows them; empty where they cannot be known yet.

    One whose name would move a terminal's cursor is left out. It counts all the same: this list decides nothing.
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


def _found(image: Image, found: Digested | InputError) -> Digested:
    if isinstance(found, InputError):
        with _about(image):
            raise found
    return found


def _check_jars(image: Image, sources: Sources, found: Mapping[Path, Digested]) -> None:
    """Refuse a file that is called a jar and is not one, as a broken download; no JVM runs what it is copied into."""
    for entry in sources.entries:
        source = entry.source
        if source is None or source.suffix != ".jar":
            continue
        if not found[source].digest.startswith("jar-") or found[source].stamp.size == not_a_jar.EMPTY_BYTES:
            with _about(image):
                raise not_a_jar.refusal(source, "" if entry.path == LAMBDA_JAR else entry.path)


@contextmanager
def _about(image: Image, what: str = "") -> Iterator[None]:
    """Name the image in the errors of what does not know it."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{what}{error.message}", error.next_step, image=image.name) from error
