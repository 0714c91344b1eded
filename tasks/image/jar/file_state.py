"""One state of a file: what distinguishes it from another state, and how to read a file in that state.

A path may lead to another file at any moment: Maven replaces a jar while it is read, a link to a release is switched.
So a file is opened once, the open file is compared with the expected state, and everything is read from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import ChangedWhileBuildingError, MissingInputError, UnreadableInputError

MOUNTS = Path("/proc/self/mountinfo")
"""The mounted file systems, on Linux; proc(5) describes the format."""

KEEPS_CHANGE_TIME = frozenset({
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs", "tmpfs", "xfs", "zfs",
    "9p", "ceph", "cifs", "nfs", "nfs4", "smb3", "virtiofs",
})  # fmt: skip
"""The file systems that record a change time (ctime), and those that pass on that of a server's file system."""

_WINDOW_BYTES = 4 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FileState:
    """What distinguishes one state of a file from another without reading the file."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileState:
        """Return the state that a result of stat or fstat describes."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Source:
    """Bytes to read by position: of an open file, one window at a time, or of a jar inside a jar, in memory.

    A file is never mapped: if a build truncated a mapped jar, SIGBUS would end the process.

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
        """Return `length` bytes from `offset`; fewer if the end is nearer."""
        begin = offset - self._start
        if self._descriptor >= 0 and (begin < 0 or begin + length > len(self._buffer)):
            self._fill(offset, max(0, min(max(length, _WINDOW_BYTES), self.size - offset)))
            begin = 0
        return self._buffer[begin : begin + length]

    def sha256(self, start: int = 0, end: int | None = None) -> bytes:
        """Return the sha256 of the bytes from `start` up to `end`, or up to the end of the source."""
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
def opened(path: Path, expected: FileState | None = None) -> Iterator[Source]:
    """Open a file while the block runs; it must be in the state `expected`, unless that is None.

    Raises:
        ChangedWhileBuildingError: the file is not in that state, or the path leads to another file.
        MissingInputError: the file does not exist.
        UnreadableInputError: the file cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            # A link or a directory in the path can lead elsewhere at this moment and back again at the next look.
            if expected is not None and FileState.of(os.fstat(file.fileno())) != expected:
                raise ChangedWhileBuildingError(f"{path} changed while it was read", "run again")
            yield Source(file.fileno())
    except OSError as fault:
        raise unreadable(path, fault) from fault


def file_digest(path: Path, expected: FileState | None = None) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal; arguments and errors are those of `opened`."""
    with opened(path, expected) as source:
        return source.sha256().hex()


def unreadable(path: Path, fault: OSError) -> MissingInputError | UnreadableInputError:
    """Return the error for a file or directory that the operating system did not let us read."""
    if isinstance(fault, FileNotFoundError):
        return MissingInputError(f"{path} does not exist", "run the Maven build, then run again")
    return UnreadableInputError(
        f"{path} cannot be read: {fault.strerror}", "make it readable for this user, then run again"
    )


def devices_without_change_time() -> frozenset[int]:
    """Return the devices, as in `st_dev`, with file systems that do not record when a file last changed (ctime).

    Nothing about their files may be remembered, as two states of a file can look the same. squashfs, EROFS, ISO 9660,
    FAT and exFAT keep a single time for each file; the times of two images that were built reproducibly are equal. A
    FUSE server answers what it likes; sshfs gives the modification time, the only one in its protocol.

    A device that is not in the table is one of several of a Btrfs or an overlay, and is not returned. Without a table,
    as on macOS, the result is empty: the file systems in use there record the change time.
    """
    try:
        table = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return frozenset()
    devices = set()
    for line in table.splitlines():
        # Any number of optional fields precedes the hyphen; a space in a path is written as \040.
        file_system = line.partition(" - ")[2].partition(" ")[0]
        major, _, minor = line.split(" ", 3)[2].partition(":")
        if file_system not in KEEPS_CHANGE_TIME:
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)
