"""One run at a time: an advisory lock that says who holds it, and that the kernel drops with its holder."""

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
"""How often a waiting run looks again; flock has no timeout of its own."""


@contextlib.contextmanager
def held(path: Path, wait: float = 0.0, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock while the block runs.

    Args:
        path: the lock's file, made where it is missing; it stays.
        wait: how many seconds to wait for another holder; math.inf for as long as it takes.
        shared: hold it together with others who share it, against those who do not.

    Raises:
        LockedError: somebody else still holds it, the text names their process and command; or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as fault:
        raise LockedError(
            f"{path} cannot be made: {fault.strerror}", "free some space there, or give yourself the right to write it"
        ) from fault
    try:
        _take(descriptor, path, wait, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        with contextlib.suppress(OSError):  # On a full disk the lock holds as well, and says less.
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
                    _held_by(descriptor, path), "wait for it, or give wait=SECONDS to wait for it here"
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _held_by(descriptor: int, path: Path) -> str:
    pid, _, command = os.pread(descriptor, 4096, 0).decode(errors="replace").strip().partition(" ")
    holder = f"process {pid} ({command})" if pid else "another process"
    return f"{path} is held by {holder}"
