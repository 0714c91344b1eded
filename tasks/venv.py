"""Makes the virtual environment that `doitw` runs doit in: `python -m tasks.venv CHECKOUT [--dev]`.

    lock ─▶ made by another run meanwhile? ─▶ remove the old one ─▶ uv, or venv and pip ─▶ stamp
                                              requirements.lock, by hash ─▶ the project itself
    --dev   also requirements-dev.lock ─▶ stamp-dev

A push needs the packages of requirements.lock. `test`, `lint` and `sandbox` need those of requirements-dev.lock, too;
they are added when one of these is first asked for.

The lock is a kernel lock on an open file, which pip and uv inherit: it is released when the last process that writes to
the environment ends, however that happens. The stamps hold everything that the environment depends on and are written
last, so an environment whose making was killed halfway is made again.

Only the standard library: this runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from tasks.errors import CommandError, SleeperImagesError
from tasks.system import processes
from tasks.system.terminal import Terminal
from tasks.system.text import clipped

LOCK = "requirements.lock"
"""The file that pins every package that a push needs (pyproject.toml's dependencies and its extra `install`).

Its second line is the command that makes it; docs/decisions/0011-locked-by-hash.md gives the reasons."""

DEVELOPMENT_LOCK = "requirements-dev.lock"
"""The file that pins those packages, at the same versions, and the ones of the extra `dev`."""

REWRITE_SECONDS, LINE_SECONDS = 0.5, 10.0
"""How often a long step reports its progress: on a terminal, in one line that is rewritten; elsewhere, in a
line each, which a log keeps."""

# Only wheels: building a source distribution would run code that no hash covers.
_LOCKED = ["--require-hashes", "--only-binary", ":all:", "--requirement"]
# The build backend is in the lock file; nothing more is downloaded.
_ITSELF = ["--no-deps", "--no-build-isolation", "--no-index", "--editable"]

_FAILED = 3
_INTERRUPTED = 130


def stamp(checkout: Path) -> bytes:
    """Return what an environment depends on: the checkout's path, which its scripts name, and the dependencies."""
    files = (checkout / "pyproject.toml", checkout / LOCK)
    return os.fsencode(checkout) + b"\n" + b"".join(file.read_bytes() for file in files)


def current(checkout: Path, *, development: bool = False) -> bool:
    """Return whether the checkout's environment is complete and up to date, with `development` for tests as well."""
    environment = checkout / ".venv"
    try:
        return (
            os.access(environment / "bin" / "python", os.X_OK)
            and (environment / "stamp").read_bytes() == stamp(checkout)
            and (
                not development
                or (environment / "stamp-dev").read_bytes() == (checkout / DEVELOPMENT_LOCK).read_bytes()
            )
        )
    except FileNotFoundError:
        return False


def ensure(checkout: Path, terminal: Terminal, *, development: bool = False) -> None:
    """Make the checkout's environment unless it is up to date; wait for another run that is making it.

    Raises:
        CommandError: a part of Python is missing, or the installation failed.
    """
    with _lock_file(checkout) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            terminal.write("doitw: waiting for another run that is making .venv\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if current(checkout, development=development):
            return
        begun = time.monotonic()
        _Making(checkout, lock.fileno(), terminal, development=development).make()
        terminal.write(f"doitw: .venv is ready ({time.monotonic() - begun:.0f} s)\n")


def _lock_file(checkout: Path) -> IO[str]:
    try:
        return (checkout / ".venv.lock").open("a")
    except OSError as fault:
        raise CommandError(
            f"cannot write {checkout / '.venv.lock'}: {fault.strerror}; .venv is made beside it on first use",
            "run it once as a user who can write there, or copy the checkout",
        ) from fault


class _Making:
    """One making of an environment, or of what `--dev` adds to it.

    Args:
        lock: an open file that pip and uv inherit.
        development: whether the packages of DEVELOPMENT_LOCK are wanted.
    """

    def __init__(self, checkout: Path, lock: int, terminal: Terminal, *, development: bool) -> None:
        self._checkout, self._lock, self._terminal = checkout, lock, terminal
        self._environment = checkout / ".venv"
        # Read before the installation: the next run must see a change of these files that is made meanwhile.
        self._stamps = {"stamp": stamp(checkout)}
        if development:
            self._stamps["stamp-dev"] = (checkout / DEVELOPMENT_LOCK).read_bytes()
        self._adds = development and current(checkout)
        self._packages = checkout / (DEVELOPMENT_LOCK if development else LOCK)

    def make(self) -> None:
        """Install everything, then write the stamps."""
        if self._adds:
            what = "adding to .venv what test, lint and sandbox need (once, and when their packages change)"
        else:
            what = "making .venv (once, and when its dependencies change)"
        self._terminal.write(f"doitw: {what}\n")
        (self._environment / "stamp-dev").unlink(missing_ok=True)
        self._install()
        if not self._adds:
            _hold_signals_back(self._environment / "bin" / "doit")
        for name, content in self._stamps.items():
            partial = self._environment / f"{name}.partial"
            partial.write_bytes(content)
            partial.replace(self._environment / name)

    def _install(self) -> None:
        python = str(self._environment / "bin" / "python")
        if shutil.which("uv"):
            install = ["uv", "pip", "install", "--python", python]
            create = ["uv", "venv", "--quiet", "--python", sys.executable, str(self._environment)]
            if self._run_steps(create, install) is None:
                return
            self._terminal.write("doitw: uv failed; trying pip, which has its own configuration\n")
        if not (self._environment / "bin" / "pip").exists():
            self._adds = False  # uv made it, without pip.
        if not self._adds:
            _check_venv()
        # The interpreter itself and not a shim or link to it, which may become another version's.
        interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
        if self._packages.name == DEVELOPMENT_LOCK and not sys.dont_write_bytecode:
            install.append("--no-compile")  # Few of its thousands of modules are imported; Python compiles those.
        if (failed := self._run_steps([interpreter, "-m", "venv", str(self._environment)], install)) is not None:
            raise _failure(*failed)

    def _run_steps(self, create: list[str], install: list[str]) -> tuple[list[str], str] | None:
        """Run each step; return the command that failed and its output, or None."""
        what = f"installing the packages of {self._packages.name}"
        steps = [(what, [*install, *_LOCKED, str(self._packages)])]
        if not self._adds:
            # First: a removal that is killed must not leave the stamp with a part of the environment.
            (self._environment / "stamp").unlink(missing_ok=True)
            _remove(self._environment)
            steps.insert(0, ("creating the virtual environment", create))
            steps.append(("installing this project", [*install, *_ITSELF, str(self._checkout)]))
        for what, argv in steps:
            with shown(what, self._terminal) as progress:
                # Nothing keeps the output: the log is the null device.
                done = processes.run(argv, keep=[self._lock], log=Path(os.devnull), rewriter=progress)
            if done.code:
                return argv, done.output
        return None


class Progress:
    """Reads the output of pip for the package that it is at."""

    def __init__(self) -> None:
        self.package = ""

    def line(self, line: str) -> Iterable[str]:
        """Take a line of output; it stays as it is."""
        if found := _PACKAGE.match(line):
            self.package = f" ({found[1]})"
        elif line.startswith("Installing"):
            self.package = " (writing files)"
        return (line,)

    def end(self) -> Iterable[str]:
        """Add nothing to the output."""
        return ()


_PACKAGE = re.compile(r"Collecting ([\w.-]+)")


@contextlib.contextmanager
def shown(what: str, terminal: Terminal) -> Iterator[Progress]:
    """Show that a step begins, and its progress until the block ends.

    A terminal shows one line for the step, which is rewritten every REWRITE_SECONDS. Any other stream gets a line at
    the beginning, and one every LINE_SECONDS.
    """
    progress, ended, begun = Progress(), threading.Event(), time.monotonic()
    seconds = REWRITE_SECONDS if terminal.live else LINE_SECONDS

    def tick() -> None:
        while not ended.wait(seconds):
            line = f"{what}{progress.package}, {time.monotonic() - begun:.0f} s"
            terminal.write(rewritten(line) if terminal.live else f"doitw: … {line}\n")

    def rewritten(line: str) -> str:
        # A line that reaches the last column may wrap, and could then not be rewritten.
        return f"\r\x1b[K{clipped(f'doitw: {line}', terminal.size[0] - 1)}"

    terminal.write(rewritten(what) if terminal.live else f"doitw: {what}\n")
    ticking = threading.Thread(target=tick, daemon=True)
    ticking.start()
    try:
        yield progress
    finally:
        ended.set()
        ticking.join()
        if terminal.live:
            terminal.write(f"{rewritten(f'{what}, {time.monotonic() - begun:.0f} s')}\n")


_NO_INDEX = (
    "NewConnectionError", "ConnectTimeoutError", "Temporary failure in name resolution", "Name or service not known",
    "Network is unreachable", "Connection refused", "Max retries exceeded", "Read timed out", "ProxyError", "SSLError",
    "HTTP error 4", "HTTP error 5", "Client Error", "Server Error", "No matching distribution", "No route to host",
)  # fmt: skip
"""Output of pip that means: the package index did not answer, or does not have the package."""

_USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
_SHOWN_LINES = 5


def _failure(argv: list[str], output: str) -> CommandError:
    """Return the error for a command that failed: its error lines, without pip's retries and tracebacks."""
    lines = [line.strip() for line in _USER_INFO.sub("", output).splitlines() if line.strip()]
    errors = [line for line in lines if line.upper().startswith("ERROR")] or lines
    shown = "".join(f"\n    {line[:300]}" for line in errors[-_SHOWN_LINES:])
    if "pip" in argv and any(sign in output for sign in _NO_INDEX):
        return CommandError(
            f"pip could not download the packages of {Path(argv[-1]).name} from its package index:{shown}",
            "connect to the network; behind a proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL (pip's own settings "
            "apply: `python3 -m pip config list`), then run again",
        )
    return CommandError(f"{shlex.join(argv)} failed:{shown}", "fix what it reports, then run again")


def _check_venv() -> None:
    """Check that this Python has venv and ensurepip, which Debian has in a separate package.

    Raises:
        CommandError: one is missing.
    """
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise CommandError(
            f"{sys.executable} does not have {' and '.join(missing)}",
            f"install it (Debian, Ubuntu: apt-get install {package}), or install uv",
        )


def _hold_signals_back(script: Path) -> None:
    """Start doit's script with SIGINT blocked: Python prints a traceback when a signal arrives while it starts.

    tasks/__main__.py unblocks it as soon as it can. Where `env` cannot block a signal (GNU's can, since 8.31), a signal
    in the first milliseconds is lost.
    """
    python = script.with_name("doit.script")  # Not a module name: Python looks for modules beside it.
    script.replace(python)
    # By its path: the script then needs nothing of PATH.
    env = shutil.which("env") or "env"
    try:
        blocks = processes.run([env, "--block-signal=INT", "true"]).code == 0
    except CommandError:
        blocks = False
    start = f"exec {shlex.quote(env)} --block-signal=INT" if blocks else "trap '' INT; exec"
    words = shlex.join([str(script.with_name("python")), str(python)])
    script.write_text(f'#!/bin/sh\n# Written by tasks/venv.py.\n{start} {words} "$@"\n')
    script.chmod(0o755)


def _remove(directory: Path) -> None:
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory)


def main(arguments: list[str]) -> int:
    """Make the environment of the checkout that is named, with `--dev` for tests as well; return the exit code."""
    checkout, *options = arguments
    # An interrupt that was blocked while Python started arrives here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        ensure(Path(checkout), Terminal(sys.stderr, os.environ), development="--dev" in options)
    except SleeperImagesError as error:
        sys.stderr.write(f"doitw: {error}\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("doitw: interrupted; the next run makes .venv again\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
