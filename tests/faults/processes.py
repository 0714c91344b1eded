"""What runs on this machine, from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PROC = Path("/proc")


def of(root: Path) -> dict[int, str]:
    """Return the processes whose command or environment names a directory, by id; they are a project's."""
    found = {}
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            command = (entry / "cmdline").read_bytes()
            if os.fsencode(root) in command + (entry / "environ").read_bytes() and int(entry.name) != os.getpid():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for has ended all the same."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(root: Path, seconds: float = 2.0) -> dict[int, str]:
    """Return what still runs of a project after some seconds; what has been killed takes the kernel a moment."""
    deadline = time.monotonic() + seconds
    while (left := of(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def kill(pids: list[int]) -> None:
    """Kill processes at once."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
