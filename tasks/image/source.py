"""The bytes of a file that may be an archive, a window at a time."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import ChangedWhileBuildingError, MissingInputError, UnreadableInputError
from tasks.image.jar.stamp import FileStamp

_WINDOW_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20


class Source:
    """The bytes of an archive: of an open file, read a window at a time, or of a jar inside a jar, in memory.

    A file is never mapped: a jar cut short by a build while it is read would end the process with SIGBUS.

    Args:
        content: an open file's descriptor, or the bytes themselves.
    """

    def __init__(self, content: int | bytes) -> None:
        if isinstance(content, bytes):
            self._descriptor, self._buffer, self.size = -1, content, len(content)
        else:
            self._descriptor, self._buffer, self.size = content, b"", os.fstat(content).st_size
        self._start = 0

    def at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer where the end is nearer."""
        begin = offset - self._start
        if self._descriptor >= 0 and (begin < 0 or begin + length > len(self._buffer)):
            self._fill(offset, max(0, min(max(length, _WINDOW_BYTES), self.size - offset)))
            begin = 0
        return self._buffer[begin : begin + length]

    def sha256(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the sha256 of the bytes from `start` to before `end`, or to the last."""
        value = hashlib.sha256()
        end = self.size if end is None else end
        while start < end and (chunk := self.at(start, min(_CHUNK_BYTES, end - start))):
            value.update(chunk)
            start += len(chunk)
        return value.digest()

    def _fill(self, offset: int, length: int) -> None:
        parts, wanted = [], length
        while wanted > 0 and (part := os.pread(self._descriptor, wanted, offset + length - wanted)):
            parts.append(part)
            wanted -= len(part)
        self._start, self._buffer = offset, parts[0] if len(parts) == 1 else b"".join(parts)


@contextlib.contextmanager
def opened(path: Path, expected: FileStamp | None = None) -> Iterator[Source]:
    """Open a file for as long as the block runs.

    Args:
        path: the file.
        expected: what it must be like; None for whatever is there.

    Raises:
        ChangedWhileBuildingError: the path leads to another file than `expected`, or it changed.
        MissingInputError: there is no such file.
        UnreadableInputError: it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            # A link, or the name of a directory, may lead elsewhere while it is opened and back again by the next look.
            if expected is not None and FileStamp.of(os.fstat(file.fileno())) != expected:
                raise ChangedWhileBuildingError(f"{path} changed while it was read", "run again")
            yield Source(file.fileno())
    except FileNotFoundError as fault:
        raise MissingInputError(f"{path} is not there", "run the Maven build, then run again") from fault
    except OSError as fault:
        raise UnreadableInputError(
            f"{path} cannot be read: {fault.strerror}", "give yourself the right to read it, or see to its disk"
        ) from fault


def file_digest(path: Path, expected: FileStamp | None = None) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal; takes and raises what `opened` does."""
    with opened(path, expected) as source:
        return source.sha256().hex()
