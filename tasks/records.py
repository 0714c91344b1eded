"""The records of one run: written with each image that is built, read to explain why an image is built.

    push ──▶ keep ─────▶ registry.record, before the image's tags
    plan ──▶ compare ──▶ the record of what the version tag points to ─▶ what differs, entry by entry

A record explains and never decides: a fault of a record is a note and fails nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

from tasks.errors import RegistryError, SleeperImagesError
from tasks.image.collect import Collected, list_jars
from tasks.image.difference import Change, differences, differing_jars
from tasks.image.jar.cache import Digests
from tasks.reference import Digest, Repository
from tasks.registry import record
from tasks.registry.client import IMMUTABLE
from tasks.registry.model import Descriptor
from tasks.registry.record import Record
from tasks.registry.target import Target
from tasks.system.parallel import each

READERS = 8
"""How many records are read at once; each read may take tens of megabytes."""

Listed = Future[Record]
"""A record that is being made."""


@dataclass(frozen=True)
class Comparison:
    """What differs between an image in the registry and what it would be made of now.

    Attributes:
        digest: the image.
        changes: what differs; None if that is not known.
        omitted: why it is not known; else empty.
        record: what the image was made of, where that is known.
    """

    digest: Digest
    changes: tuple[Change, ...] | None
    omitted: str = ""
    record: Record | None = None


class Records:
    """Writes and reads records. Threads may share it."""

    def __init__(self, target: Target, digests: Digests) -> None:
        self._target = target
        self._digests = digests
        self._lock = threading.Lock()
        self._failed = False

    def begin(self, collected: Collected) -> Listed:
        """List what an image is made of in the background, while it is built."""
        listed = Listed()

        def work() -> None:
            try:
                listed.set_result(Record(collected.inputs, list_jars(collected, self._digests)))
            except BaseException as fault:  # noqa: BLE001  # Raised again where the result is awaited.
                listed.set_exception(fault)

        # Not a thread of an executor, which the process would join after a failed build or an interrupt.
        threading.Thread(target=work, name="records", daemon=True).start()
        return listed

    def keep(self, repository: Repository, image: Descriptor, listed: Listed) -> str:
        """Write the record of an image that was just built.

        `listed` is what it was made of, from `begin`.

        Returns:
            Why it could not be written, once a run: a registry that refuses one record refuses all, so no other is
            tried. Empty if it was written, or not tried.
        """
        with self._lock:
            if self._failed:
                return ""
        try:
            record.write(self._target.client, repository, image, listed.result())
        except SleeperImagesError as error:
            with self._lock:
                # An immutable list of referrers concerns this image alone.
                of_all = not isinstance(error, RegistryError) or error.code != IMMUTABLE
                first, self._failed = not self._failed, self._failed or of_all
            return f"doit why will not know what this was made of: {error.message}" if first else ""
        return ""

    def compare(self, wanted: Mapping[str, tuple[Repository, Digest, Collected]]) -> dict[str, Comparison]:
        """Compare images in the registry with what they would be made of now.

        Args:
            wanted: by image, its repository, its digest in the registry and what it would be made of.
        """
        found = each(lambda one: self._compare(*one), wanted.values(), at_once=READERS)
        return dict(zip(wanted, found, strict=True))

    def _compare(self, repository: Repository, digest: Digest, collected: Collected) -> Comparison:
        try:
            known = record.read(self._target.client, repository, digest, collected.inputs)
        except SleeperImagesError as error:
            return Comparison(digest, None, error.message)
        if known is None:
            return Comparison(digest, None, f"the registry has no record of what {digest.short} was made of")
        _, now = differing_jars(known.inputs, collected.inputs)
        listings = list_jars(collected, self._digests, now) if now else {}
        return Comparison(digest, differences(known.inputs, collected.inputs, known.jars, listings), record=known)
