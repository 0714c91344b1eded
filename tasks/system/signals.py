"""SIGINT, SIGTERM and SIGHUP end a run alike: children are stopped, what was finished is kept, the exit code tells.

first signal ──▶ KeyboardInterrupt in the main thread ─▶ processes.stop_all: SIGINT, 3 s, SIGTERM, 2 s, SIGKILL
another one ───▶ children are killed and the process ends at once

Python runs a signal's handler in the main thread, between two of its bytecodes, and only then. A main thread that waits
for a lock comes to none unless the signal interrupts that wait; one that arrives just before it, or that the kernel
gives to another thread, stays unheard until something else wakes the main thread, which in a run that waits for a
build may be never. So a thread reads each signal from signal.set_wakeup_fd, whose byte is written at once wherever the
signal arrives, and wakes the main thread until it has heard.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from tasks.system import processes

AGAIN_SECONDS = 0.5
"""A signal that comes so soon after the first is the same one: a wrapper passes on what the terminal sent already."""

WAKE_SECONDS = 0.02
"""How long the main thread has to hear of a signal before it is woken, and woken again."""

_WAKE = signal.SIGURG
"""Interrupts a wait and means nothing: no kernel and no program sends it to a process that asked for none."""


def code(number: int) -> int:
    """Return the exit code of a process that a signal ended, as shells give it."""
    return 128 + number


received: list[int] = []
"""The signal that ended, or is ending, the command of this process; empty while there was none."""


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the first of the signals; the list that is yielded tells which it was.

    A SIGHUP that is ignored stays ignored, as nohup wants it. A SIGINT does not: a shell has commands in the background
    ignore it, and CI systems start theirs so and then send it. For the main thread alone, as signals are.
    """
    received.clear()
    _ending.clear()

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # A signal handler's signature.
        if not received:
            received.append(number)
            if not _ending.is_set():
                raise KeyboardInterrupt

    def nothing(number: int, frame: FrameType | None) -> None:
        pass

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_watched(frozenset(numbers), received))
        stack.enter_context(_raised_again())
        stack.callback(signal.signal, _WAKE, signal.signal(_WAKE, nothing))
        for number in numbers:
            stack.callback(signal.signal, number, signal.signal(number, handle))
        yield received


_ending = threading.Event()


def ending() -> None:
    """Say that the command has ended and puts away what it held; a first signal from now on only changes its code."""
    _ending.set()


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """Raise an interrupt again that came where Python passes over exceptions, and print nothing of it there.

    Python calls back in the middle of other code, for an import's lock or an object that goes away, and goes on after
    whatever that raises.
    """
    main, before = threading.get_ident(), sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt) or not received:
            before(unraisable)
            return
        number = received.pop()
        threading.Timer(WAKE_SECONDS, signal.pthread_kill, (main, number)).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def _watched(numbers: frozenset[int], received: list[int]) -> Iterator[None]:
    """Have a thread see to it that signals are heard while the block runs."""
    reading, writing = socket.socketpair()
    writing.settimeout(0)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    main = threading.get_ident()
    watcher = threading.Thread(target=_watch, args=(reading, main, numbers, received), name="signals", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        writing.close()
        watcher.join()
        reading.close()


def _watch(reading: socket.socket, main: int, numbers: frozenset[int], received: list[int]) -> None:
    """Wake the main thread until it has heard the first signal; end the process at another one."""
    first: float | None = None
    while True:
        reading.settimeout(None if first is None or received else WAKE_SECONDS)
        try:
            byte = reading.recv(1)
        except TimeoutError:
            signal.pthread_kill(main, _WAKE)
            continue
        if not byte:
            return
        if byte[0] not in numbers:
            continue
        if first is None:
            first = time.monotonic()
        elif time.monotonic() - first > AGAIN_SECONDS:
            processes.kill_all()
            os._exit(code(byte[0]))
