"""Whether what a manifest refers to is in the repository: read or asked for, with patience for what was just pushed.

A registry may lose a layer or a manifest of an index below a tag that stays: a disk that lost files, a garbage
collection that ran during a push, a clean-up of "untagged" manifests. A look at the tag does not see that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import Descriptor, Manifest
from tasks.system.backoff import until_there
from tasks.system.parallel import each

AT_ONCE = 8
"""How many layers of one image are asked for at once."""

_NOT_FOUND, _SERVER_FAULTS = 404, 500
_ELSEWHERE = ("foreign", "nondistributable")
"""What the media types of layers have in them that no registry has to hold (image-spec, "Non-distributable Layers")."""

Found = TypeVar("Found")


class Parts:
    """The parts of the images in one repository.

    Args:
        client: the registry's client.
        repository: where they are.
        fresh: whether they were pushed just now. What is not there is then asked for again, for some seconds.
        wait: waits between.
    """

    def __init__(
        self,
        client: Client,
        repository: Repository,
        *,
        fresh: bool = False,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._repository = client, repository
        self._fresh, self._wait = fresh, wait

    def manifest(self, digest: Digest) -> Manifest | None:
        """Read a manifest; None where it is not there."""
        return self._there(lambda: self._client.manifest(self._repository, digest))

    def blob(self, digest: Digest, limit: int) -> bytes | None:
        """Read a blob of a bounded size; None where it is not there."""

        def ask() -> bytes | None:
            try:
                return self._client.blobs.read(self._repository, digest, limit)
            except RegistryError as error:
                if error.status != _NOT_FOUND:
                    raise
                return None

        return self._there(ask)

    def missing(self, layers: Iterable[Descriptor]) -> list[Descriptor]:
        """Return those of the layers that the registry says are not there; their bytes are not read.

        Raises:
            RegistryError: there was no answer.
        """
        lost = {layer.digest: layer for layer in layers if not any(word in layer.media_type for word in _ELSEWHERE)}

        def ask() -> bool | None:
            known = each(self._is_there, list(lost), at_once=AT_ONCE)
            for digest in [digest for digest, there in zip(list(lost), known, strict=True) if there]:
                del lost[digest]
            return None if lost else True

        self._there(ask)
        return list(lost.values())

    def _is_there(self, digest: Digest) -> bool:
        try:
            return self._client.blobs.has(self._repository, digest)
        except RegistryError as error:
            # A registry that lets us read the config and refuses HEAD says nothing about the layer.
            if error.temporary or not error.status or error.status >= _SERVER_FAULTS:
                raise
            return True

    def _there(self, ask: Callable[[], Found | None]) -> Found | None:
        return until_there(ask, sleep=self._wait) if self._fresh else ask()
