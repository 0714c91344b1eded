"""SIGINT, SIGTERM and SIGHUP end a run alike: children are stopped, what was finished is kept, the exit code tells.

first signal ──▶ KeyboardInterrupt in the main thread ─▶ run.stop_all: SIGINT, 3 s, SIGTERM, 2 s, SIGKILL
another one ───▶ children are killed and the process ends at once
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from types import FrameType

from tasks import run

AGAIN_SECONDS = 0.5
"""A signal that comes so soon after the first is the same one: a wrapper passes on what the terminal sent already."""


def code(number: int) -> int:
    """Return the exit code of a process that a signal ended, as shells give it."""
    return 128 + number


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the first of the signals; the list that is yielded tells which it was.

    A SIGHUP that is ignored stays ignored, as nohup wants it. A SIGINT does not: a shell has commands in the background
    ignore it, and CI systems start theirs so and then send it.
    """
    received: list[int] = []
    first = 0.0

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # A signal handler's signature.
        nonlocal first
        if not received:
            received.append(number)
            first = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - first > AGAIN_SECONDS:
            run.kill_all()
            os._exit(code(number))

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
