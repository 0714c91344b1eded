"""What tells one state of a file from another without reading it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileStamp:
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> FileStamp:
        """Return the stamp in what stat or fstat found."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def stamp(path: Path) -> FileStamp:
    """Return the stamp of the file that `path` leads to.

    Raises:
        OSError: as os.stat does.
    """
    return FileStamp.of(path.stat())
