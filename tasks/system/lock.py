"""Advisory file locks that name their holder, and that the kernel releases when the holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import LockedError

POLL_SECONDS = 0.1
"""How often a waiting process tries again; flock has no timeout of its own."""


@contextlib.contextmanager
def held(path: Path, wait: float = 0.0, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock while the block runs.

    Args:
        path: the lock file; it is created if it is missing, and stays.
        wait: the seconds to wait for another holder; math.inf for no limit.
        shared: hold it together with other shared holders, and exclude exclusive ones.

    Raises:
        LockedError: another process still holds it (the message names the process and its command), or the lock file
            cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise LockedError(
            f"the lock file {path} cannot be created: {fault.strerror}",
            f"free some disk space, or make {path.parent} writable for this user",
        ) from fault
    try:
        _take(descriptor, path, wait, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # A full disk hides the holder's name, and the lock still works.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {shlex.join(sys.argv)}\n".encode(errors="surrogateescape"), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, wait: float, kind: int) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockedError(
                    _held_by(descriptor, path), "run again when it has ended, or set wait=SECONDS to wait for it"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _held_by(descriptor: int, path: Path) -> str:
    pid, _, command = os.pread(descriptor, 4096, 0).decode(errors="replace").strip().partition(" ")
    holder = f"process {pid} ({command})" if pid else "another process"
    return f"{path} is held by {holder}"
