"""ECR's rules about what a repository takes, for both sides: the registry's and the API's."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.front import refusals
from sandbox.front.disk import DIGEST, Disk, blobs, children
from sandbox.front.quotas import Quotas
from sandbox.front.refusals import Refusal, RefusedError
from sandbox.front.repositories import Repositories, Repository
from sandbox.front.templates import Templates


@dataclass
class Ecr:
    """What both sides share.

    Attributes:
        registry: the account and Region.
        repositories: moto's.
        disk: the registry's.
        quotas: what was called lately.
        behind: where the registry listens.
        login: the header that the registry behind is logged in to with, or empty.
        settings: the account's, by name.
        templates: of the repositories that a push creates.
    """

    registry: refusals.Registry
    repositories: Repositories
    disk: Disk
    behind: str
    login: str = ""
    quotas: Quotas = field(default_factory=Quotas)
    settings: dict[str, str] = field(default_factory=dict)
    templates: Templates = field(default_factory=Templates)
    _locks: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def find(self, name: str, *, begins: bool) -> Repository:
        """Return a repository.

        Args:
            name: its name.
            begins: whether the request begins an upload, which creates the repository if a template says so.

        Raises:
            RefusedError: it was not created.
        """
        found = self.repositories.find(name)
        wanted = self.templates.for_push(name) if found is None and begins else None
        if wanted is not None:
            self.repositories.change("CreateRepository", wanted)
            found = self.repositories.find(name)
        if found is None:
            raise RefusedError(self.registry.name_unknown(name))
        return found

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Look at a repository and write to it without another's manifest in between."""
        with self._locks[name]:
            yield

    def check_put(self, repository: Repository, reference: str, digest: str) -> Refusal | None:
        """Return why a manifest cannot be put under a tag or by its digest."""
        if DIGEST.fullmatch(reference):
            return None
        tags = self.disk.tags(repository.name)
        if reference in tags and repository.immutable(reference):
            return refusals.tag_exists(repository.name, reference)
        same = [tag for tag, there in tags.items() if there == digest]
        if len(same) >= refusals.TAGS_AN_IMAGE and reference not in same:
            return self.registry.too_many_tags(repository.name, reference)
        return None

    def missing(self, name: str, manifest: dict[str, Any]) -> Refusal | None:
        """Return the refusal of a manifest whose images or layers are not in the repository; None if they are."""
        images = [one for one in children(manifest) if not self.disk.has(name, one)]
        if images:
            return self.registry.missing("Images", name, images)
        layers = [one for one in blobs(manifest) if not self.disk.has_layer(name, one)]
        return self.registry.missing("Layers", name, layers) if layers else None

    def mountable(self, name: str, digest: str) -> bool:
        """Whether a blob can be mounted from a repository: the account allows it, and a manifest names the blob."""
        if self.settings.get("BLOB_MOUNTING") != "ENABLED" or self.repositories.find(name) is None:
            return False
        return any(digest in blobs(self.disk.parsed(one)) for one in self.disk.manifests(name))
