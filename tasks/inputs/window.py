"""The bytes of an archive, a window at a time."""

from __future__ import annotations

import os

_WINDOW_BYTES = 4 << 20


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

    def _fill(self, offset: int, length: int) -> None:
        parts, wanted = [], length
        while wanted > 0 and (part := os.pread(self._descriptor, wanted, offset + length - wanted)):
            parts.append(part)
            wanted -= len(part)
        self._start, self._buffer = offset, parts[0] if len(parts) == 1 else b"".join(parts)
