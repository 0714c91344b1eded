"""What deflated bytes inflate to, remembered between runs: the digest of a content by the digest of its deflated bytes.

A clean Maven build on one machine deflates unchanged classes to the same bytes as before, and fat jars share most of
their entries, so most of a jar need not be inflated again. Equal deflated bytes are equal content: a proof, unlike an
equal CRC-32.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.image.jar import sealed
from tasks.image.jar.jar import KNOWN_KEY_BYTES, KNOWN_VALUE_BYTES

MAX_RECORDS = 400_000
"""How many are kept, 30 MB of them; Sleeper's jars have about 110,000 distinct entries."""

WORTH_WRITING = 1 / 20
"""How much there must be of what is new, beside what the file has: it is written whole, which takes longer than
inflating the few classes that somebody edited."""

LOCK_SECONDS = 1.0
"""How long to wait while another process adds to the file, before going without."""

_MAKE = "sleeper-images-inflated 1"
_RECORD = struct.Struct(f"{KNOWN_KEY_BYTES}s{KNOWN_VALUE_BYTES}s")


class Inflated:
    """The memory of one process.

    Attributes:
        known: what `tasks.image.jar.jar.digest` takes and adds to.

    Args:
        path: the file, or None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.known = {} if path is None else _load(path)
        self._loaded = len(self.known)

    def save(self) -> None:
        """Add what is new to the file, if that is worth it, to what others have added; the oldest make room."""
        fresh = len(self.known) - self._loaded
        if self._path is None or fresh == 0 or fresh < self._loaded * WORTH_WRITING:
            return
        with _locked(self._path) as locked:
            if locked:
                records = _load(self._path) | dict(islice(self.known.items(), self._loaded, None))
                body = b"".join(key + value for key, value in records.items())
                sealed.write(self._path, _MAKE, body[-MAX_RECORDS * _RECORD.size :])


def _load(path: Path) -> dict[bytes, bytes]:
    """Return the records in the file, the oldest first."""
    body = sealed.read(path, _MAKE)
    return dict(_RECORD.iter_unpack(body)) if len(body) % _RECORD.size == 0 else {}


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock beside the file, so that two processes that end at once both add to it; yield whether it is held."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield False
        return
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        else:
            return True
