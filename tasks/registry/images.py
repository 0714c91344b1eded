"""What a registry holds: the tags of all images in one look, and the manifests, configs and layers of each.

    look      tags ─▶ descriptors
    read      digest ─▶ manifest ─▶ an index's manifests ─▶ configs ─▶ whether the layers exist
    inspect   `read` for many images at once, and when each was pushed: what `status` shows

A registry may lose a part of an image whose tag still exists: a disk loses files, a garbage collection runs during a
push, a cleanup deletes "untagged" manifests. Only reading the parts shows that. No layer is downloaded, so a layer with
damaged bytes is not found. `proof` judges what was read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tasks.configuration.values import written_platform
from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import Answer, Child, Descriptor, Manifest, parse_object, weight
from tasks.system.backoff import until_there
from tasks.system.parallel import Pool, each
from tasks.system.text import one_line

WORKERS = 40
"""How many tags or images are asked for at once: two tags of each of Sleeper's twenty images."""

LAYERS_AT_ONCE = 8
"""How many layers of one image are asked for at once."""

CONFIG_LIMIT = 8 * 1024 * 1024
"""The largest image config that is read. Configs are small, but the history in them has no limit."""

MOST_CHILDREN = 64
"""How many manifests of an index are read at most; an image of ours has two for each platform."""

_SERVER_FAULTS = 500
_ELSEWHERE = ("foreign", "nondistributable")
"""Parts of the media types of layers that a registry need not hold (image-spec, "Non-distributable Layers")."""

_FIRST_YEAR = 1990
"""Reproducible builds set the first second of 1970, of 1980 (because of zip), or of year 1."""

# BuildKit's "Image attestation storage" (docs/attestations/attestation-storage.md).
_REFERENCE_TYPE, _ATTESTATION = "vnd.docker.reference.type", "attestation-manifest"
_NO_PLATFORM = "unknown/unknown"

Place = tuple[Repository, Digest]
"""Where a manifest is."""

PushedAt = Callable[[Repository, Digest], datetime | None]
"""Returns when an image was pushed, or None; RegistryError if the login may not ask."""

Found = TypeVar("Found")


def look(client: Client, wanted: Mapping[str, tuple[Repository, tuple[str, ...]]]) -> dict[str, dict[str, Answer]]:
    """Ask for the tags of all images at once; `wanted` has, by image, its repository and the tags.

    Returns:
        By image and tag, what the tag points to. An error of the registry is an answer too and never raised. Once the
        registry did not answer a request at all, with all its retries, no further request is begun, and the remaining
        answers are that error.
    """
    questions = [(name, repository, tag) for name, (repository, tags) in wanted.items() for tag in tags]
    answers: dict[str, dict[str, Answer]] = {name: {} for name in wanted}
    gone: list[RegistryError] = []
    lock = threading.Lock()

    def ask(question: tuple[str, Repository, str]) -> Answer:
        _, repository, tag = question
        with lock:
            if gone:
                return gone[0]
        try:
            return client.head(repository, tag)
        except RegistryError as error:
            if error.status == 0:
                with lock:
                    gone.append(error)
            return error

    for (name, _, tag), answer in zip(questions, each(ask, questions, at_once=WORKERS), strict=True):
        answers[name][tag] = answer
    return answers


# One image


@dataclass(frozen=True)
class Part:
    """A part of an image that does not exist in the registry; `kind` is `manifest`, `config` or `layer`."""

    kind: str
    digest: Digest


@dataclass(frozen=True)
class Contents:
    """An image as a registry holds it.

    Attributes:
        manifest: what the image's digest names: the manifest of one platform, or an index.
        images: the manifests of its platforms: those that an index lists, without attestations; else `manifest`.
        configs: their configs, by the digest of the manifest.
        missing: the parts that do not exist.
    """

    manifest: Manifest
    images: tuple[Manifest, ...]
    configs: Mapping[Digest, Mapping[str, Any]]
    missing: tuple[Part, ...]

    @property
    def size(self) -> int:
        """How many bytes the registry holds for it, each manifest, config and layer counted once."""
        return weight([self.manifest, *self.images])

    @property
    def platforms(self) -> tuple[str, ...]:
        """Its platforms, sorted, as the index says, or the config of a single image."""
        said: Iterable[Mapping[str, Any]] = self.configs.values()
        if self.manifest.is_index:
            said = (child.platform for child in _children(self.manifest) if not attests(child))
        return tuple(sorted({platform(one) for one in said}))


def read(
    client: Client,
    repository: Repository,
    digest: Digest,
    *,
    layers: bool = False,
    attestations: bool = False,
    fresh: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> Contents | None:
    """Read an image's manifests and configs; None if its own manifest does not exist.

    `layers` and `attestations` also ask whether those exist. What was just pushed (`fresh`) and does not exist yet is
    asked for again for some seconds; `wait` waits before that.

    Raises:
        RegistryError: no answer, or a part is malformed or has other bytes than its digest says.
    """
    parts = _Parts(client, repository, fresh=fresh, wait=wait)
    top = parts.manifest(digest)
    if top is None:
        return None
    listed = [child for child in _children(top) if attestations or not attests(child)]
    below = dict.fromkeys(child.descriptor.digest for child in listed)
    children = dict(zip(below, each(parts.manifest, below, at_once=len(below) or 1), strict=True))
    lost = [Part("manifest", one) for one, child in children.items() if child is None]

    aside = {child.descriptor.digest for child in listed if attests(child)}
    images = [child for one, child in children.items() if child and one not in aside] if top.is_index else [top]
    single = [one for one in images if not one.is_index]
    read_configs = each(lambda one: parts.config(one.config.digest), single, at_once=len(single) or 1)
    configs = {one.digest: config for one, config in zip(single, read_configs, strict=True) if config is not None}
    lost += [Part("config", one.config.digest) for one in single if one.digest not in configs]

    wanted = [layer for one in single for layer in one.layers] if layers else []
    for one in (child for digest, child in children.items() if digest in aside):
        wanted += [one.config, *one.layers] if one is not None and not one.is_index else []
    lost += [Part("layer", one) for one in parts.missing(wanted)]
    return Contents(top, tuple(images), configs, tuple(dict.fromkeys(lost)))


class _Parts:
    """Asks for parts of images in one repository; `read` describes the arguments."""

    def __init__(self, client: Client, repository: Repository, *, fresh: bool, wait: Callable[[float], None]) -> None:
        self._client, self._repository = client, repository
        self._fresh, self._wait = fresh, wait

    def manifest(self, digest: Digest) -> Manifest | None:
        return self._there(lambda: self._client.manifest(self._repository, digest))

    def config(self, digest: Digest) -> Mapping[str, Any] | None:
        content = self._there(lambda: self._client.blob(self._repository, digest, CONFIG_LIMIT))
        return None if content is None else parse_object(content, "config")

    def missing(self, layers: Iterable[Descriptor]) -> list[Digest]:
        """Return the digests of those layers that the registry says do not exist."""
        lost = {layer.digest: None for layer in layers if not any(word in layer.media_type for word in _ELSEWHERE)}

        def ask() -> bool | None:
            known = each(self._exists, list(lost), at_once=LAYERS_AT_ONCE)
            for digest in [digest for digest, there in zip(list(lost), known, strict=True) if there]:
                del lost[digest]
            return None if lost else True

        self._there(ask)
        return list(lost)

    def _exists(self, digest: Digest) -> bool:
        try:
            return self._client.has_blob(self._repository, digest)
        except RegistryError as error:
            # Some registries serve blobs and refuse HEAD, which says nothing about the layer.
            if error.temporary or not error.status or error.status >= _SERVER_FAULTS:
                raise
            return True

    def _there(self, ask: Callable[[], Found | None]) -> Found | None:
        return until_there(ask, sleep=self._wait) if self._fresh else ask()


def _children(top: Manifest) -> Sequence[Child]:
    return top.children[:MOST_CHILDREN] if top.is_index else ()


def platform(said: Mapping[str, Any]) -> str:
    """Return the platform in an index's entry or an image's config, in the catalogue's spelling."""
    system, architecture, variant = (one_line(str(said.get(key) or "")) for key in ("os", "architecture", "variant"))
    return written_platform(system or "unknown", architecture or "unknown", variant)


def attests(child: Child) -> bool:
    """Whether an index's entry is BuildKit's attestations about another entry, and not an image."""
    # A client that pulls for a platform uses the entry of that platform, whatever its annotations say.
    return child.annotations.get(_REFERENCE_TYPE) == _ATTESTATION and platform(child.platform) == _NO_PLATFORM


# Many images


@dataclass(frozen=True)
class Moment:
    """When an image was pushed; if that is not known (not `pushed`), when it was built, from its config."""

    at: datetime
    pushed: bool


@dataclass(frozen=True)
class Deployed:
    """An image as the registry holds it, as `status` shows it.

    Attributes:
        platforms: its platforms, sorted.
        size: how many bytes the registry holds for it.
        since: when it was pushed or built; None if neither is known.
        missing: the digests of its parts that do not exist.
    """

    digest: Digest
    platforms: tuple[str, ...]
    size: int
    since: Moment | None
    missing: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
        images: by name, the image; or why it could not be read; None if it does not exist any more.
        fault: why the registry did not say when images were pushed; None if it did.
    """

    images: Mapping[str, Deployed | RegistryError | None]
    fault: RegistryError | None


def inspect(client: Client, wanted: Mapping[str, Place], pushed_at: PushedAt, *, deep: bool = False) -> Inspection:
    """Read images, each at its place in `wanted`, all at once; `deep` also asks for layers and attestations.

    They are not judged: anybody may have pushed them.
    """
    if not wanted:
        return Inspection({}, None)

    def contents(repository: Repository, digest: Digest) -> Contents | None:
        return read(client, repository, digest, layers=deep, attestations=deep)

    places = set(wanted.values())
    with Pool(max(1, WORKERS // LAYERS_AT_ONCE) if deep else WORKERS) as pool:
        asked = {place: pool.submit(_or_error, pushed_at, place) for place in places}
        reading = {place: pool.submit(_or_error, contents, place) for place in places}
        pushes = {place: future.result() for place, future in asked.items()}
        found = {place: _describe(future.result(), pushes[place]) for place, future in reading.items()}
    faults = [one for one in pushes.values() if isinstance(one, RegistryError)]
    return Inspection({name: found[place] for name, place in wanted.items()}, faults[0] if faults else None)


def _describe(
    found: Contents | RegistryError | None, pushed: datetime | RegistryError | None
) -> Deployed | RegistryError | None:
    if not isinstance(found, Contents):
        return found
    if isinstance(pushed, datetime):
        since: Moment | None = Moment(pushed.astimezone(UTC), pushed=True)
    else:
        built = max((at for at in map(_created, found.configs.values()) if at is not None), default=None)
        since = None if built is None else Moment(built, pushed=False)
    missing = tuple(part.digest for part in found.missing)
    try:
        return Deployed(found.manifest.digest, found.platforms, found.size, since, missing)
    except RegistryError as error:  # Only this function reads the part that is malformed.
        return error


def _created(config: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(config.get("created")))
        utc = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc if utc.year >= _FIRST_YEAR else None


def _or_error(ask: Callable[[Repository, Digest], Found], place: Place) -> Found | RegistryError:
    try:
        return ask(*place)
    except RegistryError as error:
        return error
