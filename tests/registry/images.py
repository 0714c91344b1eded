"""Manifests and configs as builders write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.registry.model import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, sha256

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def config(platform: str = "linux/amd64", layers: int = 1, **more: Any) -> bytes:
    """Return an image config for a platform."""
    ids = [f"sha256:{number:064x}" for number in range(layers)]
    return encoded({**parts(platform), "rootfs": {"type": "layers", "diff_ids": ids}, **more})


def image(content: bytes, layers: Sequence[str] = (OCI_LAYER,), *, docker: bool = False, **more: Any) -> Manifest:
    """Return the manifest of an image with a config's bytes and layers of these media types."""
    name = DOCKER_MANIFEST if docker else OCI_MANIFEST
    described = [described_as(layer, str(number).encode()) for number, layer in enumerate(layers)]
    kind = DOCKER_CONFIG if docker else OCI_CONFIG
    document = {"schemaVersion": 2, "mediaType": name, "config": described_as(kind, content), "layers": described}
    return Manifest(name, encoded({**document, **more}))


def index(*entries: Mapping[str, Any], docker: bool = False, **more: Any) -> Manifest:
    """Return an index of these entries."""
    name = DOCKER_LIST if docker else OCI_INDEX
    return Manifest(name, encoded({"schemaVersion": 2, "mediaType": name, "manifests": list(entries), **more}))


def entry(manifest: Manifest, platform: str, **annotations: str) -> dict[str, Any]:
    """Return an index's entry for a manifest."""
    found = {**described_as(manifest.media_type, manifest.content), "platform": parts(platform)}
    return {**found, "annotations": annotations} if annotations else found


def attestation(of: Manifest) -> tuple[Manifest, dict[str, Any]]:
    """Return the manifest of BuildKit's attestations about an image, and its entry in the index."""
    made = image(config("unknown/unknown"), ["application/vnd.in-toto+json"], annotations={"of": str(of.digest)})
    said = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(of.digest)}
    return made, entry(made, "unknown/unknown", **said)


def described_as(media_type: str, content: bytes) -> dict[str, Any]:
    """Return the descriptor of `content` as it stands in a manifest."""
    return {"mediaType": media_type, "digest": str(sha256(content)), "size": len(content)}


def parts(platform: str) -> dict[str, str]:
    """Return a platform as manifests and configs write it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def encoded(document: object) -> bytes:
    """Return a document's bytes."""
    return json.dumps(document).encode()
