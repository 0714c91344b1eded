"""Whether what the registry holds is what an image must be.

    kind_fits   by its media type alone, for a decision
    check       by all that its manifests and configs say
    prove       reads it and checks it, before our tags point to it

Lambda's rules (its developer guide, "Create a Lambda function using a container image", and its error "The image
manifest, config or layer media type for the source image is not supported"): the manifest of one platform, never an
index; Docker's or OCI's media types; layers that are tar, gzipped or not; Linux on one of two architectures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import ProofError
from tasks.model import Image, Kind
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.images import MOST_CHILDREN, attests, platform, read
from tasks.registry.model import IMAGE_TYPES, Descriptor, Manifest

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
_REFERENCE_DIGEST = "vnd.docker.reference.digest"

_NEXT_STEP = "nothing was tagged; check the build's log, the Dockerfile, and the platforms in the catalogue"


@dataclass(frozen=True)
class Built:
    """The image of one platform: its manifest and its parsed config."""

    manifest: Manifest
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Proved:
    """An image that is what it must be.

    Attributes:
        manifest: what the image's digest names, byte for byte.
        size: how many bytes the registry holds for it, without attestations.
    """

    manifest: Manifest
    size: int


def is_index(image: Image, platforms: Sequence[str] | None = None) -> bool:
    """Whether the image must be an index. `platforms` are those that it is built for; by default its own."""
    # BuildKit makes an index of more than one manifest. Lambda accepts no index, whatever the catalogue asks for.
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
    """Read what was pushed and check that it is `image` for these platforms; layers must exist, and are not downloaded.

    `fresh` and `wait` are those of `images.read`.

    Raises:
        ProofError: it is something else, or a part of it does not exist.
        RegistryError: it could not be read, or its bytes do not have the expected digests.
    """
    found = read(client, repository, digest, layers=True, fresh=fresh, wait=wait)
    if found is None:
        raise _lost(image, f"the manifest {repository.digest(digest)}")
    manifest = found.manifest
    if manifest.is_index and len(manifest.children) > MOST_CHILDREN:
        raise _wrong(image, manifest, f"it is an index of {len(manifest.children)} manifests")
    for one in found.images:
        if one.is_index and one is not manifest:
            raise _wrong(image, one, "it is an index within an index")
    for part in found.missing:
        if part.kind != "layer":
            raise _lost(image, f"the {part.kind} {repository.digest(part.digest)} of {manifest.digest.short}")
    check(manifest, {one.digest: Built(one, found.configs[one.digest]) for one in found.images}, image, platforms)
    for part in found.missing:
        raise _lost(image, f"the {part.kind} {repository.digest(part.digest)} of {manifest.digest.short}")
    return Proved(manifest, found.size)


def check(manifest: Manifest, built: Mapping[Digest, Built], image: Image, platforms: Sequence[str]) -> None:
    """Check that a manifest is `image` for these platforms. Pure.

    Args:
        manifest: what the image's digest names: the manifest of one platform, or an index.
        built: the images by the digests of their manifests; of an index, all but attestations.
        image: what it must be.
        platforms: the platforms that it must have.

    Raises:
        ProofError: it is something else.
        RegistryError: a manifest is malformed.
    """
    if manifest.is_index and not is_index(image, platforms):
        who = "Lambda refuses that" if image.kind is Kind.LAMBDA else f"it must be for {', '.join(platforms)} alone"
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
        raise _wrong(image, manifest, "it has attestations, and the catalogue does not ask for them")
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
        raise _wrong(image, one.manifest, "its config and its manifest do not list the same layers")
    if image.kind is Kind.LAMBDA:
        if one.config.get("os") != "linux" or one.config.get("architecture") not in LAMBDA_ARCHITECTURES:
            raise _wrong(image, one.manifest, f"it is for {platform(one.config)}; Lambda runs linux on amd64 and arm64")
        for layer in layers:
            if layer.media_type not in LAMBDA_LAYER_TYPES:
                raise _wrong(image, one.manifest, f"it has a layer of {layer.media_type}; Lambda refuses that")


def _lost(image: Image, what: str) -> ProofError:
    return ProofError(f"{what} is not in the registry, or this login may not read it", repair(image), image=image.name)


def repair(image: Image) -> str:
    """Return the command that pushes again what the registry has lost of an image."""
    return f"./doitw push_all force=true images={image.name}"


def _wrong(image: Image, manifest: Manifest, reason: str) -> ProofError:
    return ProofError(f"the pushed image {manifest.digest} is wrong: {reason}", _NEXT_STEP, image=image.name)
