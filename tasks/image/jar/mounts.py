"""The file systems that do not say when a file last changed: nothing about their files may be remembered.

The cache of digests goes by a time that no program can set (ctime). squashfs, EROFS and ISO 9660 keep one time for each
file and give it for the other, so that two images that were made reproducibly and mounted one after the other have
files that nothing tells apart but reading them. FAT and exFAT do the same, and their one time can be set. What a FUSE
server answers is its own affair; sshfs gives the time of modification, which is all that its protocol has.
"""

from __future__ import annotations

import os
from pathlib import Path

KEEPING = frozenset({
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs", "tmpfs", "xfs", "zfs",
    "9p", "ceph", "cifs", "nfs", "nfs4", "smb3", "virtiofs",
})  # fmt: skip
"""Those that do, and those that hand on what a server's file system says."""

TABLE = Path("/proc/self/mountinfo")
"""What is mounted, on Linux; proc(5) describes it."""


def without_change_time() -> frozenset[int]:
    """Return the devices, as in `st_dev`, whose files do not say when they last changed.

    A device that is not in the table is not among them: it is one of several of a Btrfs or an overlay. Nor is any where
    there is no such table; the file systems that macOS is used on do say.
    """
    try:
        table = TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return frozenset()
    return frozenset(_device(line) for line in table.splitlines() if _type(line) not in KEEPING)


def _device(line: str) -> int:
    major, _, minor = line.split(" ", 3)[2].partition(":")
    return os.makedev(int(major), int(minor))


def _type(line: str) -> str:
    # Any number of optional fields precedes the hyphen; a blank in a path is written as \040.
    return line.partition(" - ")[2].partition(" ")[0]
