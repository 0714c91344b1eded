"""Images as somebody else would read them: whole, out of the registry."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from typing import Any

from sandbox.layout import PASSWORD, USER
from tasks.reference import Registry, Repository
from tasks.registry.client import Client
from tasks.registry.credentials import Credential
from tasks.registry.model import Manifest

LARGEST_BLOB = 1 << 30


@dataclass(frozen=True)
class Held:
    """An image of one platform.

    Attributes:
        manifest: its manifest.
        config: its config.
        files: the content of each regular file, by its path.
        modes: the permissions of each.
    """

    manifest: Manifest
    config: dict[str, Any]
    files: dict[str, bytes]
    modes: dict[str, int]

    @property
    def platform(self) -> str:
        """The platform that the config names."""
        return f"{self.config['os']}/{self.config['architecture']}"


def client(registry: str) -> Client:
    """Return a client to the sandbox's registry."""
    return Client(Registry(registry), lambda _registry, _fresh: Credential(USER, PASSWORD))


def read(repository: Repository, tag: str) -> tuple[Manifest, list[Held]]:
    """Return what a tag is on, and the images that it is or lists."""
    asked = client(str(repository.registry))
    top = asked.manifest(repository, tag)
    assert top is not None
    if not top.is_index:
        return top, [_held(asked, repository, top)]
    children = [asked.manifest(repository, child.descriptor.digest) for child in top.children]
    return top, [_held(asked, repository, child) for child in children if child is not None]


def _held(asked: Client, repository: Repository, manifest: Manifest) -> Held:
    config = json.loads(asked.blob(repository, manifest.config.digest, LARGEST_BLOB) or b"")
    files: dict[str, bytes] = {}
    modes: dict[str, int] = {}
    for layer in manifest.layers:
        with tarfile.open(fileobj=io.BytesIO(asked.blob(repository, layer.digest, LARGEST_BLOB) or b"")) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None:
                    files["/" + member.name.lstrip("/")] = content.read()
                    modes["/" + member.name.lstrip("/")] = member.mode
    return Held(manifest, config, files, modes)
