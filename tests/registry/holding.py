"""A registry that keeps what is put into it: blobs, manifests and, where it is told to, the referrers API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tasks.reference import Repository
from tasks.registry.client import Client
from tasks.registry.model import OCI_INDEX, Descriptor, Manifest, sha256
from tests.registry import asking
from tests.registry.asking import PATH
from tests.registry.server import Answer, Asked


@dataclass
class Registry:
    """What it holds of its one repository.

    Attributes:
        referrers: whether it has the referrers API.
        says_so: whether it names the subject in its answer to a PUT, as the specification wants.
        no_api: the status for the referrers API if it has none.
        blobs: by digest.
        manifests: by digest and tag.
        asked: what it was asked, in order.
    """

    referrers: bool = False
    says_so: bool = True
    no_api: int = 404
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def put(self, manifest: Manifest, *tags: str) -> Descriptor:
        """Hold a manifest."""
        self.manifests |= dict.fromkeys((str(manifest.digest), *tags), manifest)
        return manifest.descriptor

    def answer(self, asked: Asked) -> Answer:
        """Answer as the distribution specification says."""
        self.asked.append(asked)
        parts = urlsplit(asked.target)
        kind, _, name = parts.path.removeprefix(f"/v2/{PATH}/").partition("/")
        if kind == "blobs":
            return self._blob(asked, name)
        if kind == "manifests":
            return self._put(asked, name) if asked.method == "PUT" else self._get(name)
        if kind == "referrers" and self.referrers:
            wanted = parse_qs(parts.query).get("artifactType", [""])[0]
            return Answer(200, {"Content-Type": OCI_INDEX}, self._referrers(name, wanted))
        return Answer(self.no_api)

    def _blob(self, asked: Asked, name: str) -> Answer:
        if asked.method == "POST":
            return Answer(202, {"Location": f"/v2/{PATH}/blobs/uploads/1"})
        if asked.method == "PUT":
            digest = parse_qs(urlsplit(asked.target).query)["digest"][0]
            self.blobs[digest] = asked.body
            return Answer(201 if str(sha256(asked.body)) == digest else 400)
        return Answer(200, body=self.blobs[name]) if name in self.blobs else Answer(404)

    def _put(self, asked: Asked, name: str) -> Answer:
        manifest = Manifest(asked.headers["content-type"], asked.body)
        held = [manifest.config, *manifest.layers] if not manifest.is_index else []
        if any(str(blob.digest) not in self.blobs for blob in held):
            return Answer(400, body=b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]}')
        self.put(manifest, name)
        told = self.referrers and self.says_so and manifest.subject is not None
        return Answer(201, {"OCI-Subject": str(manifest.subject and manifest.subject.digest)} if told else {})

    def _get(self, name: str) -> Answer:
        manifest = self.manifests.get(name)
        if manifest is None:
            return Answer(404)
        headers = {"Content-Type": manifest.media_type, "Docker-Content-Digest": str(manifest.digest)}
        return Answer(200, headers, manifest.content)

    def _referrers(self, subject: str, wanted: str) -> bytes:
        found = [
            {
                "mediaType": manifest.media_type,
                "digest": digest,
                "size": len(manifest.content),
                "artifactType": manifest.json()["artifactType"],
                **({"annotations": manifest.json()["annotations"]} if "annotations" in manifest.json() else {}),
            }
            for digest, manifest in self.manifests.items()
            if digest.startswith("sha256:") and manifest.subject and str(manifest.subject.digest) == subject
        ]
        kept = [entry for entry in found if wanted in {"", entry["artifactType"]}]
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": kept}).encode()


@contextmanager
def running(registry: Registry) -> Iterator[tuple[Client, Repository]]:
    """Run it; yield a client and its repository."""
    with asking.registry(registry.answer) as (client, repository, _):
        yield client, repository
