"""Subprocesses: the only module that starts programs.

A command is a list of arguments, never shell text. Each child leads a process group of its own, so that a Ctrl-C at the
terminal reaches only this process, which then decides: children get SIGINT, then SIGTERM, then SIGKILL, together with
everything that they started.
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from tasks.errors import CommandError
from tasks.system.secrets import without_secrets

TAIL_LINES = 40
"""How many of the last lines of a command's output an error shows."""

INTERRUPT_SECONDS = 3.0
"""How long a child has to end after SIGINT; buildx uses the time to cancel its builds in BuildKit."""

TERMINATE_SECONDS = 2.0
"""How long a child then has after SIGTERM, before SIGKILL."""

WIND_UP_SECONDS = 60.0
"""How long a foreground command has to end after SIGINT; a test run stops the engine that it started."""

_POLL_SECONDS = 0.02

_Child = subprocess.Popen[bytes]

_running: set[_Child] = set()
_patient: set[_Child] = set()
"""Those of `_running` that get WIND_UP_SECONDS."""
_lock = threading.Lock()
_stopping = threading.Event()


@dataclass(frozen=True)
class Completed:
    """A command that has ended.

    Attributes:
        argv: the program and its arguments.
        code: the exit code; the negative number of a signal, as in subprocess.
        output: standard output; of a logged command, the last lines of standard output and standard error.
        errors: standard error; empty for a logged command.
        log: the file with the whole output, or None.
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
        """The command as it can be pasted into a shell."""
        return shlex.join(self.argv)


class Rewriter(Protocol):
    """Turns the output of a command into the lines of its log. It must not raise: that would end the command."""

    def line(self, line: str) -> Iterable[str]:
        """Return the log's lines for one line of output."""

    def end(self) -> Iterable[str]:
        """Return the log's last lines, after the end of the output."""


# Running commands


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    rewriter: Rewriter | None = None,
    timeout: float | None = None,
    keep: Sequence[int] = (),
) -> Completed:
    """Run a command and wait for its end.

    Args:
        argv: the program and its arguments.
        environment: the whole environment of the child; None for our own.
        directory: the working directory; None for our own.
        stdin: the standard input; None for nothing.
        log: a file that gets the command line, then standard output and standard error as they come.
        rewriter: turns the output into the lines of the log; None to log the output as it is.
        timeout: the seconds after which the command is ended.
        keep: open file descriptors that the child inherits, with the locks that they hold.

    Returns:
        The result, whatever the exit code is.

    Raises:
        CommandError: the command could not be started, or timed out.
    """
    began = time.monotonic()
    try:
        with _started(
            argv,
            environment=environment,
            directory=directory,
            piped_input=stdin is not None,
            merged=log is not None,
            keep=keep,
        ) as child:
            if log is not None:
                output, errors = _follow(child, argv, stdin, log, rewriter=rewriter, timeout=timeout), ""
            else:
                out, err = child.communicate(None if stdin is None else stdin.encode(), timeout)
                output, errors = out.decode(errors="replace"), err.decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise CommandError(
            f"{shlex.join(argv)} did not end within {timeout:g} s",
            "check that the Docker engine and the network respond, then run again",
        ) from None
    return Completed(tuple(argv), child.returncode, output, errors, log, time.monotonic() - began)


def check(argv: Sequence[str], *, next_step: str, **options: object) -> Completed:
    """Run a command that must succeed, with the options of `run`.

    Raises:
        CommandError: the command could not be started, timed out, or failed; the message has the end of its output.
    """
    done = run(argv, **options)  # type: ignore[arg-type]  # The options are run's own, passed through.
    if done.code != 0:
        raise CommandError(f"{done.command} failed with exit code {done.code}\n{tail(done)}", next_step)
    return done


def tail(done: Completed, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a command's output, indented for an error."""
    text = (done.errors or done.output).rstrip()
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def foreground(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
    """Run a command whose output goes straight to the terminal; it reads nothing.

    An interrupt is passed on once, and the command has WIND_UP_SECONDS to end.

    Returns:
        The exit code; the negative number of a signal, as in subprocess.

    Raises:
        CommandError: the command could not be started.
    """
    with _started(argv, environment=environment, shown=True) as child:
        return child.wait()


def spawn(argv: Sequence[str], *, environment: Mapping[str, str], log: Path) -> int:
    """Start a server that outlives this process, in a session of its own; `stop_all` does not end it.

    The command line, standard output and standard error are appended to `log`.

    Returns:
        Its process ID. A server that ends while this process runs stays a zombie until somebody waits for it.

    Raises:
        CommandError: the server could not be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        file.write(without_secrets(f"$ {shlex.join(argv)}\n").encode())
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
        raise _cannot_start(argv[0], fault) from fault


def _follow(
    child: _Child,
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
        assert child.stdout is not None  # noqa: S101  # For mypy: it is a pipe unless the child is `shown`.
        with log.open("wb") as file, child.stdout:
            file.write(without_secrets(f"$ {shlex.join(argv)}\n").encode())
            for line in child.stdout:
                text = line.decode(errors="replace").rstrip("\r\n")
                _log([text] if rewriter is None else rewriter.line(text), file, last)
            if rewriter is not None:
                _log(rewriter.end(), file, last)
        child.wait()
    finally:
        if timer is not None:
            timer.cancel()
    if expired.is_set() and child.returncode != 0 and not _stopping.is_set():
        raise subprocess.TimeoutExpired(list(argv), timeout or 0)
    return "\n".join(last)


def _log(lines: Iterable[str], file: IO[bytes], last: deque[str]) -> None:
    for line in map(without_secrets, lines):
        file.write(f"{line}\n".encode())
        last.append(line)
    file.flush()


# Starting and ending children


@contextlib.contextmanager
def _started(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    piped_input: bool = False,
    merged: bool = False,
    shown: bool = False,
    keep: Sequence[int] = (),
) -> Iterator[_Child]:
    """Start a child. At the end of the block its pipes are closed; when the block raises, the child is ended.

    Args as those of `run`, and:
        piped_input: whether standard input is a pipe, rather than empty.
        merged: whether standard error goes where standard output goes.
        shown: whether both go to the terminal, rather than to pipes; the child then has WIND_UP_SECONDS to end.
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
        raise _cannot_start(argv[0], fault) from fault
    try:
        yield child
    except BaseException:
        _end([child])
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        with _lock:
            _running.discard(child)
            _patient.discard(child)


def _cannot_start(program: str, fault: OSError) -> CommandError:
    return CommandError(f"{program} could not be started: {fault.strerror}", f"install {program}, or add it to PATH")


def stop_all() -> None:
    """End every child and start no new one: SIGINT, then SIGTERM, then SIGKILL, to whole process groups."""
    _stopping.set()
    with _lock:
        running = list(_running)
    _end(running)


def kill_all() -> None:
    """Kill every child and start no new one. It takes no lock, as it is called from a signal handler."""
    _stopping.set()
    for child in tuple(_running):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _end(children: Sequence[_Child]) -> None:
    for step, seconds in (
        (signal.SIGINT, INTERRUPT_SECONDS),
        (signal.SIGTERM, TERMINATE_SECONDS),
        (signal.SIGKILL, 1.0),
    ):
        alive = [child for child in children if _lives(child)]
        if not alive:
            return
        for child in alive:
            # Its group may have ended since.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, step)
        began = time.monotonic()
        for child in alive:
            patience = WIND_UP_SECONDS if step == signal.SIGINT and child in _patient else seconds
            while _lives(child) and time.monotonic() < began + patience:
                time.sleep(_POLL_SECONDS)


def _lives(child: _Child) -> bool:
    """Return whether a process of the child's group is left: docker may end before the plugin that it started."""
    if child.poll() is None:
        return True
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):  # Gone; or, on macOS, only zombies are left.
        return False
    return True
