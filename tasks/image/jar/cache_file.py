"""Files that only save time: written whole or not at all, checked by a digest when read, and never an error.

A cache file that is damaged, unreadable or of another format counts as empty. One that cannot be written is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import threading
from itertools import islice
from pathlib import Path

from tasks.errors import LockedError
from tasks.system import lock

MAX_RECORDS = 400_000
"""How many records an `Inflated` keeps, 30 MB; the jars of Sleeper have about 110,000 distinct entries."""

WORTH_WRITING = 1 / 20
"""The least ratio of new records to known ones for which `Inflated` writes its file. The file is written whole, which
takes longer than to inflate the few classes that somebody edited."""

LOCK_SECONDS = 1.0
"""How long to wait for another process that writes the file, before this one does without."""

_FORMAT = "sleeper-images-inflated 1"
_RECORD = struct.Struct("44s32s")
"""A key and a value of `Inflated.known`."""


def read(path: Path, form: str) -> bytes:
    """Return the body that `write` stored in a file; empty if it is not usable, or of another format than `form`."""
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    head = len(_head(form, b""))
    body = content[head:]
    return body if content[:head] == _head(form, body) else b""


def write(path: Path, form: str, body: bytes) -> bool:
    """Replace the file at `path` atomically; return whether that succeeded."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(_head(form, body) + body)
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        return False
    return True


def _head(form: str, body: bytes) -> bytes:
    return f"{form} {hashlib.sha256(body).hexdigest()}\n".encode()


class Inflated:
    """Which deflated bytes inflate to which content, remembered between runs.

    A clean Maven build on the same machine deflates unchanged classes to the same bytes as before, and fat jars share
    most of their entries, so most of a jar need not be inflated again. Equal deflated bytes prove equal content; an
    equal CRC-32 would not.

    Attributes:
        known: a key is the sha256 of an entry's deflated bytes, with the CRC-32 (4 bytes) and the size (8 bytes) that
            the entry states; a value is the sha256 of its content. `tasks.image.jar.content.read` adds to it.

    Args:
        path: the file, or None to remember nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.known = {} if path is None else _records(path)
        self._loaded = len(self.known)

    def save(self) -> None:
        """Add new records to the file, if they are worth it; the oldest records make room."""
        fresh = len(self.known) - self._loaded
        if self._path is None or fresh == 0 or fresh < self._loaded * WORTH_WRITING:
            return
        beside = self._path.with_name(f"{self._path.name}.lock")
        # Two processes that end at once both add to it. Without the lock it is not written: another process holds it
        # for long, the disk is full, or the file system has no locks (OSError).
        with contextlib.suppress(LockedError, OSError), lock.held(beside, LOCK_SECONDS):
            records = _records(self._path) | dict(islice(self.known.items(), self._loaded, None))
            body = b"".join(key + value for key, value in records.items())
            write(self._path, _FORMAT, body[-MAX_RECORDS * _RECORD.size :])


def _records(path: Path) -> dict[bytes, bytes]:
    """Return the records in the file, the oldest first."""
    body = read(path, _FORMAT)
    return dict(_RECORD.iter_unpack(body)) if len(body) % _RECORD.size == 0 else {}
