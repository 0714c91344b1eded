"""The one door to subprocesses.

A command is a list of arguments and never a shell's text. `tasks/system/children.py` starts and ends it, with all that
it starts itself.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from tasks.errors import CommandError
from tasks.system.children import Child, OutOfTime, cannot_start, end, kill_all, started, stop_all, stopping
from tasks.system.secrets import without_secrets

__all__ = ["Completed", "Rewriter", "check", "foreground", "kill_all", "run", "spawn", "stop_all", "tail"]

TAIL_LINES = 40
"""How many of the last lines of a command's output are kept for its error."""


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
    keep: Sequence[int] = (),
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
        keep: open file descriptors that it inherits, with the locks they hold.

    Returns:
        What came of it, whatever the exit code.

    Raises:
        CommandError: it could not be started, or ran out of time.
    """
    began = time.monotonic()
    try:
        with started(
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
    except OutOfTime:
        raise CommandError(
            f"{shlex.join(argv)} did not end within {timeout:g} s",
            "see whether the Docker engine and the network answer, then run again",
        ) from None
    return Completed(tuple(argv), child.returncode, output, errors, log, time.monotonic() - began)


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


def foreground(argv: Sequence[str], *, environment: Mapping[str, str] | None = None) -> int:
    """Run one command whose output people watch as it comes; it reads nothing.

    An interrupt is passed on once, and the command gets WIND_UP_SECONDS to put away what it started.

    Args:
        argv: the program and its arguments.
        environment: its whole environment; ours where None.

    Returns:
        Its exit code; negative for a signal, as in subprocess.

    Raises:
        CommandError: it could not be started.
    """
    with started(argv, environment=environment, shown=True) as child:
        return child.wait()


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
        raise cannot_start(argv[0], fault) from fault


def _follow(
    child: Child,
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
        end([child])

    timer = threading.Timer(timeout, expire) if timeout is not None else None
    if timer is not None:
        timer.start()
    try:
        if child.stdin is not None and stdin is not None:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(stdin.encode())
        assert child.stdout is not None  # noqa: S101  # Told to mypy: it is piped unless it is shown.
        with log.open("wb") as file, child.stdout:
            file.write(without_secrets(f"$ {shlex.join(argv)}\n").encode())
            for line in child.stdout:
                text = line.decode(errors="replace").rstrip("\r\n")
                _note([text] if rewriter is None else rewriter.line(text), file, last)
            if rewriter is not None:
                _note(rewriter.end(), file, last)
        child.wait()
    finally:
        if timer is not None:
            timer.cancel()
    if expired.is_set() and child.returncode != 0 and not stopping():
        raise OutOfTime(list(argv), timeout or 0)
    return "\n".join(last)


def _note(lines: Iterable[str], file: IO[bytes], last: deque[str]) -> None:
    for line in map(without_secrets, lines):
        file.write(f"{line}\n".encode())
        last.append(line)
    file.flush()
