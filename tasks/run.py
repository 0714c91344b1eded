"""The one door to subprocesses.

A command is a list of arguments and never a shell's text. Each child leads a process group of its own, so that a
Ctrl-C at the terminal reaches only us and we decide what becomes of the children: `stop_all` interrupts them, then
terminates, then kills.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from tasks.errors import CommandError

INTERRUPT_SECONDS = 3.0
"""How long children get to end after SIGINT; buildx uses it to cancel its builds in BuildKit."""

TERMINATE_SECONDS = 2.0
"""How long they then get after SIGTERM before they are killed."""

POLL_SECONDS = 0.02
"""How often it is looked whether they have ended."""

WIND_UP_SECONDS = 60.0
"""How long a command in the foreground gets after an interrupt; a test run stops the engine it started."""

TAIL_LINES = 40
"""How many of the last lines of a command's output are kept for its error."""

_children: set[subprocess.Popen[bytes]] = set()
_patient: set[subprocess.Popen[bytes]] = set()
_children_lock = threading.Lock()
_stopping = threading.Event()


@dataclass(frozen=True)
class Completed:
    """A command that has ended.

    Attributes:
        argv: what was run.
        code: the exit code; negative for a signal, as in subprocess.
        output: standard output as text; of a logged command, its last lines and those of standard error.
        errors: standard error as text; empty for a logged command.
        log: where the whole output is, or None.
        seconds: how long it took.
    """

    argv: tuple[str, ...]
    code: int
    output: str
    errors: str
    log: Path | None
    seconds: float

    @property
    def command(self) -> str:
        """The command as one could paste it into a shell."""
        return shlex.join(self.argv)


class Rewriter(Protocol):
    """Turns what a command writes into what its log gets. It raises nothing: the command would be ended."""

    def line(self, line: str) -> Iterable[str]:
        """Return the log's lines for a line of output."""

    def end(self) -> Iterable[str]:
        """Return the log's last lines, when no more output comes."""


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    rewriter: Rewriter | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run one command to its end.

    Args:
        argv: the program and its arguments.
        environment: the whole environment of the child; ours where None.
        directory: where it runs; here where None.
        stdin: what it reads; nothing where None.
        log: a file that receives standard output and error as they come, after a line with the command.
        rewriter: what stands between the output and the log; nothing where None.
        timeout: seconds after which it is stopped.

    Returns:
        What came of it, whatever the exit code.

    Raises:
        CommandError: it could not be started, or ran out of time.
    """
    started = time.monotonic()
    child = _start(argv, environment, directory, piped_input=stdin is not None, merged=log is not None)
    try:
        if log is not None:
            output, errors = _follow(child, argv, stdin, log, rewriter=rewriter, timeout=timeout), ""
        else:
            out, err = child.communicate(None if stdin is None else stdin.encode(), timeout)
            output, errors = out.decode(errors="replace"), err.decode(errors="replace")
    except subprocess.TimeoutExpired:
        _end([child])
        raise CommandError(
            f"{shlex.join(argv)} did not end within {timeout:g} s",
            "see whether the Docker engine and the network answer, then run again",
        ) from None
    except BaseException:
        _end([child])
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        with _children_lock:
            _children.discard(child)
    return Completed(tuple(argv), child.returncode, output, errors, log, time.monotonic() - started)


def check(argv: Sequence[str], *, next_step: str, **options: object) -> Completed:
    """Run a command that has to succeed; takes the options of `run`.

    Raises:
        CommandError: it could not be started, or its exit code was not 0; the text holds the end of its output.
    """
    done = run(argv, **options)  # type: ignore[arg-type]  # The options are run's own, passed through.
    if done.code != 0:
        raise CommandError(f"{done.command} failed with exit code {done.code}\n{tail(done)}", next_step)
    return done


def tail(done: Completed, lines: int = TAIL_LINES) -> str:
    """Return the last lines of what a command said, indented for an error."""
    text = (done.errors or done.output).rstrip()
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def foreground(argv: Sequence[str], *, environment: Mapping[str, str] | None = None, keep: Sequence[int] = ()) -> int:
    """Run one command whose output people watch as it comes; it reads nothing.

    An interrupt is passed on once, and the command gets WIND_UP_SECONDS to put away what it started.

    Args:
        argv: the program and its arguments.
        environment: its whole environment; ours where None.
        keep: open file descriptors that it inherits, with the locks they hold.

    Returns:
        Its exit code; negative for a signal, as in subprocess.

    Raises:
        CommandError: it could not be started.
    """
    child = _start(argv, environment, None, shown=True, keep=keep)
    _patient.add(child)
    try:
        return child.wait()
    except BaseException:
        _end([child])
        raise
    finally:
        with _children_lock:
            _children.discard(child)
            _patient.discard(child)


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Start a server that outlives us, in a session of its own; `stop_all` does not know it.

    Args:
        argv: the program and its arguments.
        environment: its whole environment.
        log: a file that its standard output and error are appended to, after a line with the command.

    Returns:
        Its process id. A server that ends while we run stays a zombie until someone waits for it.

    Raises:
        CommandError: it could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        file.write(f"$ {shlex.join(argv)}\n".encode())
    try:
        return os.posix_spawnp(
            argv[0],
            list(argv),
            dict(environment),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
        )
    except OSError as fault:
        raise CommandError(
            f"{argv[0]} could not be started: {fault.strerror}", f"install {argv[0]}, or put it on PATH"
        ) from fault


def stop_all() -> None:
    """End every child that runs and let no new one start: SIGINT, then SIGTERM, then SIGKILL, to whole groups."""
    _stopping.set()
    with _children_lock:
        running = list(_children)
    _end(running)


def kill_all() -> None:
    """Kill every child that runs and let no new one start; for a signal's handler, so it waits for no lock."""
    _stopping.set()
    for child in tuple(_children):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _start(
    argv: Sequence[str],
    environment: Mapping[str, str] | None,
    directory: Path | None,
    *,
    piped_input: bool = False,
    merged: bool = False,
    shown: bool = False,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    if _stopping.is_set():
        raise CommandError(f"{shlex.join(argv)} was not started: the run is being stopped")
    try:
        # Under the lock, so that stop_all sees either no child or one that it can end.
        with _children_lock:
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
            _children.add(child)
    except OSError as fault:
        raise CommandError(
            f"{argv[0]} could not be started: {fault.strerror}", f"install {argv[0]}, or put it on PATH"
        ) from fault
    return child


def _follow(
    child: subprocess.Popen[bytes],
    argv: Sequence[str],
    stdin: str | None,
    log: Path,
    *,
    rewriter: Rewriter | None,
    timeout: float | None,
) -> str:
    """Copy the child's output to its log as it comes; return the last lines."""
    log.parent.mkdir(parents=True, exist_ok=True)
    last: deque[str] = deque(maxlen=TAIL_LINES)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _end([child])

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    if timer is not None:
        timer.start()
    try:
        if child.stdin is not None and stdin is not None:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(stdin.encode())
        assert child.stdout is not None  # noqa: S101  # Told to mypy: _start always pipes it.
        with log.open("wb") as file, child.stdout:
            file.write(f"$ {shlex.join(argv)}\n".encode())
            for line in child.stdout:
                if rewriter is None:
                    _note([line], file, last)
                else:
                    text = line.decode(errors="replace").rstrip("\r\n")
                    _note([f"{one}\n".encode() for one in rewriter.line(text)], file, last)
            if rewriter is not None:
                _note([f"{one}\n".encode() for one in rewriter.end()], file, last)
        child.wait()
    finally:
        if timer is not None:
            timer.cancel()
    if expired.is_set() and child.returncode != 0 and not _stopping.is_set():
        raise subprocess.TimeoutExpired(list(argv), timeout or 0)
    return "\n".join(last)


def _note(lines: Iterable[bytes], file: IO[bytes], last: deque[str]) -> None:
    for line in lines:
        file.write(line)
        last.append(line.decode(errors="replace").rstrip("\r\n"))
    file.flush()


def _end(children: list[subprocess.Popen[bytes]]) -> None:
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
        started = time.monotonic()
        for child in alive:
            patience = WIND_UP_SECONDS if step == signal.SIGINT and child in _patient else seconds
            while _lives(child) and time.monotonic() < started + patience:
                time.sleep(POLL_SECONDS)


def _lives(child: subprocess.Popen[bytes]) -> bool:
    """Return whether anything of the child's group is left: docker may well end before the plugin that it started."""
    if child.poll() is None:
        return True
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):  # Gone; or, on macOS, nothing but zombies.
        return False
    return True
