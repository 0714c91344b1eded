"""Manifests and descriptors, validated before they are used. Pure.

The rules are those of the OCI image specification (`manifest.md`, `image-index.md`, `descriptor.md`) and of Docker's
"Image Manifest Version 2, Schema 2"; the words are go-containerregistry's.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import RegistryError
from tasks.reference import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
"""The media types of one platform's image."""

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
"""The media types of a list of manifests."""

MANIFEST_TYPES = IMAGE_TYPES | INDEX_TYPES
"""The media types of all manifests that we read and write."""

MANIFEST_LIMIT = 4 * 1024 * 1024
"""The largest manifest that is read; registries must accept manifests of at least this size (distribution-spec)."""

# descriptor.md, after RFC 6838, 4.2.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")

_NEXT_STEP = "build and push the image again (force=true)"


@dataclass(frozen=True)
class Descriptor:
    """A descriptor: the media type, sha256 digest and size of some bytes."""

    media_type: str
    digest: Digest
    size: int

    @property
    def is_index(self) -> bool:
        """Whether the media type is that of an index."""
        return self.media_type in INDEX_TYPES


Answer = Descriptor | RegistryError | None
"""What a tag points to; None if it does not exist; or the error instead of an answer."""


@dataclass(frozen=True)
class Child:
    """An entry of an index.

    Attributes:
        descriptor: the manifest that it points to.
        platform: the manifest's platform: `os`, `architecture`, `variant` …
        annotations: its annotations.
        artifact_type: the type of the manifest if it is not an image; else empty.
    """

    descriptor: Descriptor
    platform: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""


@dataclass(frozen=True)
class Manifest:
    """A manifest: its media type, one of MANIFEST_TYPES, and its bytes, which are never changed."""

    media_type: str
    content: bytes

    @functools.cached_property
    def digest(self) -> Digest:
        """The sha256 of the bytes."""
        return sha256(self.content)

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of the bytes."""
        return Descriptor(self.media_type, self.digest, len(self.content))

    @property
    def is_index(self) -> bool:
        """Whether this is an index."""
        return self.media_type in INDEX_TYPES

    def json(self) -> dict[str, Any]:
        """Return the parsed content; RegistryError if it is not a manifest of its media type."""
        return self._parsed

    @functools.cached_property
    def config(self) -> Descriptor:
        """The image's config; RegistryError if this is not an image or the config is malformed."""
        return descriptor(self.json().get("config"), "config")

    @functools.cached_property
    def layers(self) -> tuple[Descriptor, ...]:
        """The image's layers, lowest first; RegistryError if one is malformed."""
        return tuple(descriptor(entry, "layer") for entry in _list(self.json(), "layers"))

    @functools.cached_property
    def children(self) -> tuple[Child, ...]:
        """The index's entries in order; RegistryError if one is malformed."""
        return tuple(_child(entry) for entry in _list(self.json(), "manifests"))

    @functools.cached_property
    def subject(self) -> Descriptor | None:
        """The manifest that this one is about, if any; RegistryError if its descriptor is malformed."""
        entry = self.json().get("subject")
        return None if entry is None else descriptor(entry, "subject")

    @functools.cached_property
    def _parsed(self) -> dict[str, Any]:
        if self.media_type not in MANIFEST_TYPES:
            raise _malformed(f"{self.media_type!r} is not the media type of an image")
        parsed = parse_object(self.content, "manifest")
        if parsed.get("schemaVersion") != 2:  # noqa: PLR2004  # The number of the schema, in both specifications.
            raise _malformed("a manifest's schemaVersion is not 2")
        if parsed.get("mediaType", self.media_type) != self.media_type:
            own = str(parsed["mediaType"])[:127]
            raise _malformed(f"a manifest served as {self.media_type} has the mediaType {own!r}")
        # Such a document is an image to one client and an index to another: CVE-2021-41190.
        foreign = ("config", "layers") if self.is_index else ("manifests",)
        if any(key in parsed for key in foreign):
            raise _malformed("a manifest is both an image and an index")
        return parsed


def sha256(content: bytes) -> Digest:
    """Return the digest of `content`."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def media_type(text: str) -> str | None:
    """Return the media type in a Content-Type header without its parameters; None if it has none."""
    name = text.partition(";")[0].strip()
    return name if _MEDIA_TYPE.fullmatch(name) else None


def parse_object(content: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object; RegistryError if the bytes are something else. `what` names them in the error."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as fault:  # UnicodeDecodeError is a ValueError.
        raise _malformed(f"a {what} is not JSON") from fault
    if not isinstance(parsed, dict):
        raise _malformed(f"a {what} is not a JSON object")
    return parsed


def descriptor(entry: object, what: str) -> Descriptor:
    """Return the descriptor in a manifest from parsed JSON; `what` names it in the error.

    Raises:
        RegistryError: it is missing or malformed, or its digest is not a sha256 one.
    """
    if not isinstance(entry, dict):
        raise _malformed(f"a manifest has no {what}, or a malformed one")
    name, digest, size = entry.get("mediaType"), entry.get("digest"), entry.get("size")
    if not isinstance(name, str) or media_type(name) != name:
        raise _malformed(f"a manifest's {what} has no media type")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _malformed(f"a manifest's {what} has no size")
    try:
        return Descriptor(name, Digest(digest if isinstance(digest, str) else ""), size)
    except ValueError:
        raise _malformed(f"a manifest's {what} has no sha256 digest") from None


def weight(manifests: Iterable[Manifest]) -> int:
    """Return how many bytes manifests, their configs and layers have, each counted once.

    Raises:
        RegistryError: a manifest is malformed.
    """
    sizes: dict[Digest, int] = {}
    for manifest in manifests:
        sizes[manifest.digest] = len(manifest.content)
        parts = () if manifest.is_index else (manifest.config, *manifest.layers)
        sizes |= {part.digest: part.size for part in parts}
    return sum(sizes.values())


def _child(entry: object) -> Child:
    described = descriptor(entry, "entry")
    assert isinstance(entry, dict)  # noqa: S101  # For mypy: descriptor() has checked it.
    kind = entry.get("artifactType")
    return Child(
        described,
        _texts(entry.get("platform")),
        _texts(entry.get("annotations")),
        kind if isinstance(kind, str) else "",
    )


def _texts(entry: object) -> Mapping[str, str]:
    """Return the texts of a JSON object; `os.features` and other lists do not matter for our images."""
    if not isinstance(entry, dict):
        return {}
    return {key: value for key, value in entry.items() if isinstance(value, str)}


def _list(parsed: Mapping[str, Any], key: str) -> list[object]:
    entries = parsed.get(key)
    if not isinstance(entries, list):
        raise _malformed(f"a manifest has no {key}")
    return entries


def _malformed(message: str) -> RegistryError:
    return RegistryError(f"the registry has malformed content: {message}", _NEXT_STEP, code="MANIFEST_INVALID")
