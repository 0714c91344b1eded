"""Is what the registry holds what an image must be?

    by its media type alone, for a decision:   kind_fits
    by all that its manifests and configs say: check, on what `prove` has read

Lambda's rules (Lambda's developer guide, "Create a Lambda function using a container image", and its error
"The image manifest, config or layer media type for the source image is not supported"): one image's manifest, never an
index; Docker's or OCI's media types; layers that are tar, gzipped or not; of Linux on one of its two architectures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.configuration.platforms import written
from tasks.errors import ProofError
from tasks.model import Image, Kind
from tasks.reference import Digest, Repository
from tasks.registry.message import clean
from tasks.registry.model import IMAGE_TYPES, Child, Descriptor, Manifest, parse_object, weight
from tasks.registry.oci import Client

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


def prove(client: Client, repository: Repository, digest: Digest, image: Image, platforms: Sequence[str]) -> Proved:
    """Read back what was pushed, and check it.

    Args:
        client: the registry's client.
        repository: where it was pushed.
        digest: what was pushed.
        image: what it must be.
        platforms: what it must be for.

    Returns:
        Its manifest, byte for byte, and its size.

    Raises:
        ProofError: it is something else.
        RegistryError: it could not be read, or its bytes are not those of its digests.
    """
    manifest = _read(client, repository, digest)
    if not manifest.is_index:
        check(manifest, {digest: _built(client, repository, manifest)}, image, platforms)
        return Proved(manifest, weight([manifest]))
    if len(manifest.children) > MOST_CHILDREN:
        raise _wrong(image, manifest, f"it is an index of {len(manifest.children)} manifests")
    images = [_read(client, repository, child.descriptor.digest) for child in manifest.children if not attests(child)]
    for child in images:
        if child.is_index:
            raise _wrong(image, child, "it is an index within an index")
    check(manifest, {child.digest: _built(client, repository, child) for child in images}, image, platforms)
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
    return written(system or "unknown", architecture or "unknown", variant)


def attests(child: Child) -> bool:
    """Whether an index's entry is BuildKit's attestations about another one, and no image."""
    # Who pulls one for a platform gets what the entry says of that, whatever its annotations.
    return child.annotations.get(_REFERENCE_TYPE) == _ATTESTATION and platform(child.platform) == _NO_PLATFORM


def _read(client: Client, repository: Repository, digest: Digest) -> Manifest:
    manifest = client.manifest(repository, digest)
    if manifest is None:
        raise ProofError(
            f"{repository.digest(digest)} was pushed, and is not in the registry",
            "nothing was tagged; run again, and see whether something else deletes untagged images",
        )
    return manifest


def _built(client: Client, repository: Repository, manifest: Manifest) -> Built:
    content = client.blobs.read(repository, manifest.config.digest, CONFIG_LIMIT)
    return Built(manifest, parse_object(content, "config"))


def _wrong(image: Image, manifest: Manifest, reason: str) -> ProofError:
    return ProofError(
        f"{image.name}: what was pushed as {manifest.digest} is not what it must be: {reason}", _NEXT_STEP
    )
