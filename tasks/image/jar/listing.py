"""The entries of jars of an image, for its record and for what differs from one. Read only where that is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tasks.errors import InputError
from tasks.image.difference import DIGITS, Listing, is_jar
from tasks.image.gather import Gathered
from tasks.image.jar.inflated import Inflated
from tasks.image.jar.stamp import FileStamp, stamp

Kept = Callable[[Path, FileStamp], Mapping[str, str] | None]
"""Returns the entries of a jar that was read before, or None; `tasks.image.jar.digests.Digests.entries`."""


class Listings:
    """Lists entries of jars. Threads may share it.

    Args:
        memory: the file of `tasks.image.jar.inflated`, or None.
        kept: knows the entries of jars that were read before.
    """

    def __init__(self, memory: Path | None, kept: Kept = lambda _path, _stamp: None) -> None:
        self._memory = memory
        self._kept = kept
        self._lock = threading.Lock()
        self._inflated: Inflated | None = None

    def of(self, gathered: Gathered, paths: Iterable[str] | None = None) -> dict[str, Listing]:
        """List the entries of an image's jars.

        Args:
            gathered: the image's inputs, and where they were read.
            paths: only of these, by their paths in the context.

        Returns:
            By path in the context, each entry's name and the first digits of its digest. A jar that cannot be read,
            or is another one than when the inputs were gathered, is missing.
        """
        wanted = None if paths is None else set(paths)
        sources = {entry.path: entry.source for entry in gathered.sources.entries}
        found: dict[str, Listing] = {}
        for item in gathered.inputs.context:
            source = sources.get(item.path)
            if source is not None and is_jar(item) and (wanted is None or item.path in wanted):
                listing = self._entries(source, gathered.sources.stamps[source])
                if listing is not None and _is_same(source, gathered):
                    found[item.path] = listing
        return found

    def _entries(self, path: Path, known: FileStamp) -> Listing | None:
        entries = self._kept(path, known) or self._read(path)
        return None if entries is None else {name: digest[:DIGITS] for name, digest in entries.items()}

    def _read(self, path: Path) -> Mapping[str, str] | None:
        from tasks.image.jar import jar  # noqa: PLC0415  # Only what is built or differs needs it.

        with self._lock:
            if self._inflated is None:
                self._inflated = Inflated(self._memory)
            known = self._inflated.known
        try:
            return jar.read(path, known).entries()
        except InputError:
            return None


def _is_same(path: Path, gathered: Gathered) -> bool:
    try:
        return stamp(path) == gathered.sources.stamps[path]
    except OSError:
        return False
