"""What is about an image: artifacts that name it as their subject, found from its digest.

Source: the OCI distribution specification 1.1, "Listing Referrers", "Pushing Manifests with Subject" and "Referrers Tag
Schema". Where the registry has no referrers API, clients list them in an index under the tag `sha256-<hexadecimal>`;
what others have listed there stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, descriptor

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""The config of a manifest that is no image (image-spec, "Guidance for an Empty Descriptor")."""

MOST_READ = 4
"""How many artifacts of one type are read of those that are about a manifest."""

_NONE: Mapping[str, str] = MappingProxyType({})


def referrers_tag(digest: Digest) -> str:
    """Return the tag under which a manifest's referrers are listed where the registry has no API for it."""
    return str(digest).replace(":", "-")


def find(
    client: Client, repository: Repository, subject: Digest, artifact_type: str, first: Mapping[str, str] = _NONE
) -> Iterator[Manifest]:
    """Read the artifacts of one type that are about a manifest, the last listed first; at most MOST_READ.

    Args:
        client: the registry's client.
        repository: where the manifest is.
        subject: the manifest.
        artifact_type: what is looked for.
        first: annotations; artifacts that have them come before all others.

    Yields:
        Manifests of artifacts, which name the subject. Each is read when it is asked for.

    Raises:
        RegistryError: there was no answer, or one that cannot be.
    """
    index = client.referrers(repository, subject, artifact_type)
    if index is None:
        index = _listed(client, repository, subject)
    entries = [entry for entry in reversed(_entries(index)) if entry.get("artifactType") == artifact_type]
    entries.sort(key=lambda entry: not first or not _has(entry, first))
    for entry in entries[:MOST_READ]:
        found = client.manifest(repository, descriptor(entry, "entry").digest)
        if found is not None and found.subject is not None and found.subject.digest == subject:
            yield found


def attach(
    client: Client,
    repository: Repository,
    subject: Descriptor,
    artifact_type: str,
    layer: tuple[str, bytes],
    *,
    annotations: Mapping[str, str] = _NONE,
) -> Digest:
    """Put an artifact that is about a manifest.

    Args:
        client: the registry's client.
        repository: where the manifest is.
        subject: the manifest, which is left as it is.
        artifact_type: what the artifact is.
        layer: its one layer's media type and bytes.
        annotations: what tells it from others of its type; where we list it, it takes the place of one that has them.

    Returns:
        The artifact's digest.

    Raises:
        RegistryError: the registry did not take a part of it.
    """
    media_type, content = layer
    config = Descriptor(EMPTY_TYPE, client.blobs.upload(repository, EMPTY), len(EMPTY))
    described = Descriptor(media_type, client.blobs.upload(repository, content), len(content))
    manifest = _manifest(subject, artifact_type, config, described, annotations)
    # A registry may have the API and not say so here; a tag that is not needed could be one that can never be moved.
    listed = client.put_referrer(repository, manifest) or client.referrers(repository, subject.digest, artifact_type)
    if not listed:
        entry = {**_written(manifest.descriptor), "artifactType": artifact_type, **_annotated(annotations)}
        _list(client, repository, subject.digest, entry)
    return manifest.digest


def _manifest(
    subject: Descriptor, artifact_type: str, config: Descriptor, layer: Descriptor, annotations: Mapping[str, str]
) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _written(config),
        "layers": [_written(layer)],
        "subject": _written(subject),
        **_annotated(annotations),
    }
    return Manifest(OCI_MANIFEST, _bytes(document))


def _list(client: Client, repository: Repository, subject: Digest, entry: Mapping[str, Any]) -> None:
    """Add an artifact's entry to the index under the subject's referrers tag."""
    before = _listed(client, repository, subject)
    entries = _entries(before)
    if any(one.get("digest") == entry["digest"] for one in entries):
        return
    annotations = entry.get("annotations")
    if annotations:
        same_type = entry["artifactType"]
        entries = [one for one in entries if one.get("artifactType") != same_type or not _has(one, annotations)]
    # The rest of the index is somebody's, too: its annotations, say.
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX} if before is None else before.json()
    index = Manifest(OCI_INDEX, _bytes({**document, "manifests": [*entries, entry]}))
    client.put(repository, referrers_tag(subject), index)


def _listed(client: Client, repository: Repository, subject: Digest) -> Manifest | None:
    found = client.manifest(repository, referrers_tag(subject))
    if found is None:
        return None
    # GitLab's registry takes such a tag for the digest itself, and answers with the subject.
    if found.media_type != OCI_INDEX or found.digest == subject:
        raise RegistryError(
            f"{repository.tag(referrers_tag(subject))} is no list of what is about {subject.short}",
            "this registry keeps no records; nothing else depends on them",
            code="MANIFEST_INVALID",
        )
    return found


def _entries(index: Manifest | None) -> list[dict[str, Any]]:
    """Return an index's entries as they are; what is no JSON object in them is none."""
    entries = None if index is None else index.json().get("manifests")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _has(entry: Mapping[str, Any], annotations: Mapping[str, str]) -> bool:
    found = entry.get("annotations")
    return isinstance(found, dict) and all(found.get(name) == value for name, value in annotations.items())


def _annotated(annotations: Mapping[str, str]) -> Mapping[str, object]:
    return {"annotations": dict(annotations)} if annotations else {}


def _written(described: Descriptor) -> Mapping[str, object]:
    return {"mediaType": described.media_type, "digest": str(described.digest), "size": described.size}


def _bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")
