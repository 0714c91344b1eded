"""SIGINT, SIGTERM and SIGHUP all end a run: children are ended, results are kept, the exit code names the signal.

first signal ────▶ KeyboardInterrupt in the main thread ─▶ processes.stop_all: SIGINT, 3 s, SIGTERM, 2 s, SIGKILL
second signal ───▶ children are killed, and the process ends at once

Python runs a signal's handler only in the main thread, between two bytecodes. A main thread that waits for a lock runs
no bytecode, unless the signal interrupts the wait. A signal that arrives just before the wait, or that the kernel
delivers to another thread, is handled only when something else wakes the main thread: in a run that waits for a build,
perhaps never. Therefore a thread reads each signal from signal.set_wakeup_fd, whose byte is written wherever the signal
arrives, and wakes the main thread until the handler has run.
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
"""A second signal within this time is the same one: a wrapper passes on what the terminal has sent already."""

WAKE_SECONDS = 0.02
"""How long the main thread has to handle a signal before it is woken, and woken again."""

_WAKE = signal.SIGURG
"""A signal to interrupt a wait with: the kernel sends it only to processes that ask for it."""


def code(number: int) -> int:
    """Return the exit code for a process that a signal ended, as in shells."""
    return 128 + number


received: list[int] = []
"""The signal that ended the command of this process, or is ending it; empty before any signal."""


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """Raise KeyboardInterrupt at the first signal; yield a list that then holds its number. For the main thread only.

    An ignored SIGHUP stays ignored, for nohup. An ignored SIGINT does not: shells start background commands that way,
    and CI systems start their jobs that way and then send it.
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
    """Say that the command has ended and cleans up; a first signal from now on only changes the exit code."""
    _ending.set()


@contextlib.contextmanager
def _raised_again() -> Iterator[None]:
    """Raise an interrupt again where Python ignored it, without a message.

    Python ignores exceptions in callbacks in the middle of other code, such as an import's lock or a finalizer.
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
    """Have a thread make sure that signals are handled while the block runs."""
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
    """Wake the main thread until it has handled the first signal; end the process at a second one."""
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
