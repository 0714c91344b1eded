"""The children of this process: started, known while they run, and ended with all that they started.

Each leads a process group of its own, so that a Ctrl-C at the terminal reaches only us and we decide what becomes of
them: they are interrupted, then terminated, then killed. Others run commands by `tasks/system/run.py`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tasks.errors import CommandError

INTERRUPT_SECONDS = 3.0
"""How long children get to end after SIGINT; buildx uses it to cancel its builds in BuildKit."""

TERMINATE_SECONDS = 2.0
"""How long they then get after SIGTERM before they are killed."""

POLL_SECONDS = 0.02
"""How often it is looked whether they have ended."""

WIND_UP_SECONDS = 60.0
"""How long a command in the foreground gets after an interrupt; a test run stops the engine it started."""

Child = subprocess.Popen[bytes]
OutOfTime = subprocess.TimeoutExpired

_running: set[Child] = set()
_patient: set[Child] = set()
_lock = threading.Lock()
_stopping = threading.Event()


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    piped_input: bool = False,
    merged: bool = False,
    shown: bool = False,
    keep: Sequence[int] = (),
) -> Iterator[Child]:
    """Start a child; when the block ends, its pipes are closed, and where the block raises, it is ended.

    Args:
        argv: the program and its arguments.
        environment: the whole environment of the child; ours where None.
        directory: where it runs; here where None.
        piped_input: whether it reads what is written to its `stdin`; nothing if not.
        merged: whether its standard error goes where its output does.
        shown: whether people watch both as they come, which otherwise are pipes; it gets WIND_UP_SECONDS to end.
        keep: open file descriptors that it inherits.

    Raises:
        CommandError: it could not be started, or nothing is any more.
    """
    if _stopping.is_set():
        raise CommandError(f"{shlex.join(argv)} was not started: the run is being stopped")
    try:
        # Under the lock, so that stop_all sees either no child or one that it can end.
        with _lock:
            child = subprocess.Popen(
                list(argv),
                env=None if environment is None else dict(environment),
                cwd=directory,
                stdin=subprocess.PIPE if piped_input else subprocess.DEVNULL,
                stdout=None if shown else subprocess.PIPE,
                stderr=None if shown else subprocess.STDOUT if merged else subprocess.PIPE,
                process_group=0,
                pass_fds=keep,
            )
            _running.add(child)
            if shown:
                _patient.add(child)
    except OSError as fault:
        raise cannot_start(argv[0], fault) from fault
    try:
        yield child
    except BaseException:
        end([child])
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        with _lock:
            _running.discard(child)
            _patient.discard(child)


def cannot_start(program: str, fault: OSError) -> CommandError:
    """Return the error for a program that could not be started."""
    return CommandError(f"{program} could not be started: {fault.strerror}", f"install {program}, or put it on PATH")


def stopping() -> bool:
    """Whether nothing is started any more."""
    return _stopping.is_set()


def stop_all() -> None:
    """End every child that runs and let no new one start: SIGINT, then SIGTERM, then SIGKILL, to whole groups."""
    _stopping.set()
    with _lock:
        running = list(_running)
    end(running)


def kill_all() -> None:
    """Kill every child that runs and let no new one start; for a signal's handler, so it waits for no lock."""
    _stopping.set()
    for child in tuple(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def end(children: Sequence[Child]) -> None:
    """End children with all that they started: SIGINT, then SIGTERM, then SIGKILL, to whole groups."""
    for step, seconds in (
        (signal.SIGINT, INTERRUPT_SECONDS),
        (signal.SIGTERM, TERMINATE_SECONDS),
        (signal.SIGKILL, 1.0),
    ):
        alive = [child for child in children if _lives(child)]
        if not alive:
            return
        for child in alive:
            # It may have ended since; a group that is gone needs no signal.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, step)
        started_at = time.monotonic()
        for child in alive:
            patience = WIND_UP_SECONDS if step == signal.SIGINT and child in _patient else seconds
            while _lives(child) and time.monotonic() < started_at + patience:
                time.sleep(POLL_SECONDS)


def _lives(child: Child) -> bool:
    """Return whether anything of the child's group is left: docker may well end before the plugin that it started."""
    if child.poll() is None:
        return True
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):  # Gone; or, on macOS, nothing but zombies.
        return False
    return True
