"""Is what the registry holds what an image must be?

    by its media type alone, for a decision:   kind_fits
    by all that its manifests and configs say: check, on what `prove` has read

Lambda's rules (Lambda's developer guide, "Create a Lambda function using a container image", and its error
"The image manifest, config or layer media type for the source image is not supported"): one image's manifest, never an
index; Docker's or OCI's media types; layers that are tar, gzipped or not; of Linux on one of its two architectures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.configuration.values import written_platform
from tasks.errors import ProofError
from tasks.model import Image, Kind
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.message import clean
from tasks.registry.model import IMAGE_TYPES, Child, Descriptor, Manifest, parse_object, weight
from tasks.registry.parts import Parts

CONFIG_LIMIT = 8 * 1024 * 1024
"""The largest image config that is read. They hold a history, so they are small, but nobody bounds them."""

MOST_CHILDREN = 64
"""The most manifests of an index that are read; an image of ours has two for each of its platforms at most."""

CONFIG_TYPES = frozenset({"application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"})

LAMBDA_ARCHITECTURES = ("amd64", "arm64")
"""Lambda's x86_64 and arm64 (its developer guide, "Selecting and configuring an instruction set architecture")."""

LAMBDA_LAYER_TYPES = frozenset(
    {
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    }
)

# BuildKit's "Image attestation storage" (docs/attestations/attestation-storage.md).
_REFERENCE_TYPE, _ATTESTATION = "vnd.docker.reference.type", "attestation-manifest"
_NO_PLATFORM = "unknown/unknown"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"

_NEXT_STEP = "nothing was tagged; see the build's log, and the Dockerfile's and the catalogue's platforms"


@dataclass(frozen=True)
class Built:
    """One platform's image, as it was read.

    Attributes:
        manifest: its manifest.
        config: what its config says.
    """

    manifest: Manifest
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Proved:
    """What the registry holds, and it is what it must be.

    Attributes:
        manifest: what the image's digest names, byte for byte.
        size: how many bytes the registry holds for it; attestations are not counted.
    """

    manifest: Manifest
    size: int


def is_index(image: Image, platforms: Sequence[str] | None = None) -> bool:
    """Whether the image has to be an index.

    Args:
        image: the image.
        platforms: what it is built for; its own where None.
    """
    # BuildKit makes an index where it has more than one manifest to point to. Lambda takes none, whatever is asked for.
    return image.kind is not Kind.LAMBDA and (
        image.attestations or len(image.platforms if platforms is None else platforms) > 1
    )


def kind_fits(descriptor: Descriptor, image: Image) -> bool:
    """Whether a manifest of this media type can be the image at all."""
    return descriptor.is_index if is_index(image) else descriptor.media_type in IMAGE_TYPES


def prove(
    client: Client,
    repository: Repository,
    digest: Digest,
    image: Image,
    platforms: Sequence[str],
    *,
    fresh: bool = False,
    wait: Callable[[float], None] = time.sleep,
) -> Proved:
    """Read back what was pushed, and check it; its layers are asked for, and not read.

    Args:
        client: the registry's client.
        repository: where it was pushed.
        digest: what was pushed.
        image: what it must be.
        platforms: what it must be for.
        fresh: whether it was pushed just now: what is not there yet is asked for again.
        wait: waits before that.

    Returns:
        Its manifest, byte for byte, and its size.

    Raises:
        ProofError: it is something else, or a part of it is not there.
        RegistryError: it could not be read, or its bytes are not those of its digests.
    """
    parts = Parts(client, repository, fresh=fresh, wait=wait)
    manifest = _read(parts, image, repository, digest)
    if not manifest.is_index:
        images = [manifest]
    elif len(manifest.children) > MOST_CHILDREN:
        raise _wrong(image, manifest, f"it is an index of {len(manifest.children)} manifests")
    else:
        below = (child.descriptor.digest for child in manifest.children if not attests(child))
        images = [_read(parts, image, repository, one) for one in below]
        for child in images:
            if child.is_index:
                raise _wrong(image, child, "it is an index within an index")
    check(manifest, {one.digest: _built(parts, image, repository, one) for one in images}, image, platforms)
    for lost in parts.missing(layer for one in images for layer in one.layers):
        raise _lost(image, f"the layer {repository.digest(lost.digest)} of {manifest.digest.short}")
    return Proved(manifest, weight([manifest, *images]))


def check(manifest: Manifest, built: Mapping[Digest, Built], image: Image, platforms: Sequence[str]) -> None:
    """Check what was read.

    Args:
        manifest: what the image's digest names: the one image's manifest, or an index.
        built: the images by the digests of their manifests; of an index, all that are no attestations.
        image: what it must be.
        platforms: what it must be for.

    Raises:
        ProofError: it is something else.
        RegistryError: a manifest is malformed.
    """
    if manifest.is_index and not is_index(image, platforms):
        who = "Lambda refuses that" if image.kind is Kind.LAMBDA else f"it is for {', '.join(platforms)} alone"
        raise _wrong(image, manifest, f"it is an index; {who}")
    if not manifest.is_index and is_index(image, platforms):
        raise _wrong(image, manifest, f"it is a single image, not an index of {', '.join(platforms)}")
    for one in built.values():
        _check_image(one, image)
    if manifest.is_index:
        _check_index(manifest, built, image, platforms)
    elif (found := platform(built[manifest.digest].config)) != platforms[0]:
        raise _wrong(image, manifest, f"it is for {found}, not for {platforms[0]}")


def _check_index(manifest: Manifest, built: Mapping[Digest, Built], image: Image, platforms: Sequence[str]) -> None:
    images = [child for child in manifest.children if not attests(child)]
    found = Counter(platform(child.platform) for child in images)
    if found != Counter(platforms):
        have = ", ".join(sorted(found.elements())) or "nothing"
        raise _wrong(image, manifest, f"it is for {have}, not for {', '.join(sorted(platforms))}")
    for child in images:
        said = platform(child.platform)
        if (actual := platform(built[child.descriptor.digest].config)) != said:
            raise _wrong(image, manifest, f"its image for {said} is one for {actual}")
    attested = {child.annotations.get(_REFERENCE_DIGEST, "") for child in manifest.children if attests(child)}
    if attested and not image.attestations:
        raise _wrong(image, manifest, "it has attestations, which the catalogue does not ask for")
    expected = {str(child.descriptor.digest) for child in images}
    if image.attestations and attested != expected:
        raise _wrong(image, manifest, "its attestations are not those of its images")


def _check_image(one: Built, image: Image) -> None:
    config, layers = one.manifest.config, one.manifest.layers
    if config.media_type not in CONFIG_TYPES:
        raise _wrong(image, one.manifest, f"its config is {config.media_type}, not an image's")
    root = one.config.get("rootfs")
    contents = root.get("diff_ids") if isinstance(root, dict) else None
    if not isinstance(contents, list) or len(contents) != len(layers):
        raise _wrong(image, one.manifest, "its config and its manifest do not have the same layers")
    if image.kind is Kind.LAMBDA:
        if one.config.get("os") != "linux" or one.config.get("architecture") not in LAMBDA_ARCHITECTURES:
            raise _wrong(image, one.manifest, f"it is for {platform(one.config)}; Lambda runs linux on amd64 and arm64")
        for layer in layers:
            if layer.media_type not in LAMBDA_LAYER_TYPES:
                raise _wrong(image, one.manifest, f"it has a layer of {layer.media_type}; Lambda refuses that")


def platform(said: Mapping[str, Any]) -> str:
    """Return the platform that a manifest's entry or an image's config says, in the catalogue's spelling."""
    system, architecture, variant = (clean(str(said.get(key) or "")) for key in ("os", "architecture", "variant"))
    return written_platform(system or "unknown", architecture or "unknown", variant)


def attests(child: Child) -> bool:
    """Whether an index's entry is BuildKit's attestations about another one, and no image."""
    # Who pulls one for a platform gets what the entry says of that, whatever its annotations.
    return child.annotations.get(_REFERENCE_TYPE) == _ATTESTATION and platform(child.platform) == _NO_PLATFORM


def _read(parts: Parts, image: Image, repository: Repository, digest: Digest) -> Manifest:
    manifest = parts.manifest(digest)
    if manifest is None:
        raise _lost(image, f"the manifest {repository.digest(digest)}")
    return manifest


def _built(parts: Parts, image: Image, repository: Repository, manifest: Manifest) -> Built:
    content = parts.blob(manifest.config.digest, CONFIG_LIMIT)
    if content is None:
        raise _lost(image, f"the config {repository.digest(manifest.config.digest)} of {manifest.digest.short}")
    return Built(manifest, parse_object(content, "config"))


def _lost(image: Image, what: str) -> ProofError:
    return ProofError(f"{what} is not in the registry, or this login cannot read it", repair(image), image=image.name)


def repair(image: Image) -> str:
    """Return what pushes again all that the registry has lost of an image."""
    return f"./doitw push_all force=true images={image.name}"


def _wrong(image: Image, manifest: Manifest, reason: str) -> ProofError:
    return ProofError(
        f"what was pushed as {manifest.digest} is not what it must be: {reason}", _NEXT_STEP, image=image.name
    )
