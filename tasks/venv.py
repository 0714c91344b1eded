"""Makes the virtual environment that `doitw` runs doit in: `python -m tasks.venv CHECKOUT`. Standard library only.

    lock ─▶ made by another run meanwhile? ─▶ old one removed ─▶ uv, or venv and pip ─▶ stamp
                                              everything of requirements.lock, by hash ─▶ the project itself

The lock is one of the kernel's on an open file, which pip and uv inherit: it ends with the last process that writes to
the environment, however that ended. The stamp holds all that the environment depends on and is written last, so one
that was killed halfway is made anew.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from tasks.errors import CommandError, SleeperImagesError
from tasks.system import processes

LOCK = "requirements.lock"
"""The file that pins every package of pyproject.toml's dependencies and its extra `dev`, with the hashes of its files.

Its first lines say what makes it anew; docs/decisions/0011-locked-by-hash.md says why it is as it is."""

# Only wheels: building a source distribution would run what no hash covers.
_LOCKED = ["--require-hashes", "--only-binary", ":all:", "--requirement"]
# The build backend is in the lock file; nothing more is fetched.
_ITSELF = ["--no-deps", "--no-build-isolation", "--no-index", "--editable"]

_FAILED = 3
_INTERRUPTED = 130


def stamp(checkout: Path) -> bytes:
    """Return what an environment must have been made for: this path, which its scripts name, and these dependencies."""
    files = (checkout / "pyproject.toml", checkout / LOCK)
    return os.fsencode(checkout) + b"\n" + b"".join(file.read_bytes() for file in files)


def current(checkout: Path) -> bool:
    """Return whether the checkout has an environment that is complete and fits."""
    environment = checkout / ".venv"
    try:
        return os.access(environment / "bin" / "python", os.X_OK) and (
            (environment / "stamp").read_bytes() == stamp(checkout)
        )
    except FileNotFoundError:
        return False


def ensure(checkout: Path, tell: Callable[[str], None]) -> None:
    """Make the checkout's environment unless it is current; a run that is making it is waited for.

    Args:
        checkout: the directory of pyproject.toml.
        tell: is given a line for people when something takes long.

    Raises:
        CommandError: a part of Python is missing, or the installation failed.
    """
    with _lock_file(checkout) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("doitw: waiting for another run that is making .venv")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if current(checkout):
            return
        # Before anything is installed: a change of these files in the meantime must be seen by the next run.
        wanted = stamp(checkout)
        tell("doitw: making .venv (once, and when its dependencies change)")
        environment = checkout / ".venv"
        (environment / "stamp").unlink(missing_ok=True)
        _make(checkout, environment, lock.fileno(), tell)
        _hold_signals_back(environment / "bin" / "doit")
        partial = environment / "stamp.partial"
        partial.write_bytes(wanted)
        partial.replace(environment / "stamp")


def _lock_file(checkout: Path) -> IO[str]:
    try:
        return (checkout / ".venv.lock").open("a")
    except OSError as fault:
        raise CommandError(
            f"{checkout / '.venv.lock'} cannot be written: {fault.strerror}; .venv is made there on first use",
            "run it once as a user who may write there, or copy the checkout",
        ) from fault


def _make(checkout: Path, environment: Path, lock: int, tell: Callable[[str], None]) -> None:
    installs = [[*_LOCKED, str(checkout / LOCK)], [*_ITSELF, str(checkout)]]
    python = str(environment / "bin" / "python")
    if shutil.which("uv"):
        _remove(environment)
        uv = ["uv", "pip", "install", "--quiet", "--python", python]
        venv = ["uv", "venv", "--quiet", "--python", sys.executable, str(environment)]
        if all(not _said(argv, lock) for argv in (venv, *([*uv, *install] for install in installs))):
            return
        tell("doitw: uv could not do it; trying pip, which has a configuration of its own")
    _check_venv()
    _remove(environment)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    # The interpreter itself and not a shim or link to it, which may become another version's.
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    for argv in ([interpreter, "-m", "venv", str(environment)], *([*pip, *install] for install in installs)):
        if (said := _said(argv, lock)) is not None:
            raise _failure(argv, said)


def _said(argv: list[str], lock: int) -> str | None:
    """Run a command; return what it said where it failed, else None."""
    done = processes.run(argv, keep=[lock])
    return f"{done.output}\n{done.errors}" if done.code else None


_NO_INDEX = (
    "NewConnectionError", "ConnectTimeoutError", "Temporary failure in name resolution", "Name or service not known",
    "Network is unreachable", "Connection refused", "Max retries exceeded", "Read timed out", "ProxyError", "SSLError",
    "HTTP error 4", "HTTP error 5", "Client Error", "Server Error", "No matching distribution", "No route to host",
)  # fmt: skip
"""What pip says where its package index gives no answer or no package."""

_USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
_SHOWN_LINES = 5


def _failure(argv: list[str], said: str) -> CommandError:
    """Return the error for a command that failed: what it said that tells, without pip's retries and tracebacks."""
    lines = [line.strip() for line in _USER_INFO.sub("", said).splitlines() if line.strip()]
    told = [line for line in lines if line.upper().startswith("ERROR")] or lines
    shown = "".join(f"\n    {line[:300]}" for line in told[-_SHOWN_LINES:])
    if "pip" in argv and any(sign in said for sign in _NO_INDEX):
        return CommandError(
            f"pip could not get the packages of {LOCK} from its package index:{shown}",
            "connect to the network; behind a proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL (pip's own settings "
            "apply: `python3 -m pip config list`), then run again",
        )
    return CommandError(f"{' '.join(argv)} failed:{shown}", "fix what it says, then run again")


def _check_venv() -> None:
    """Refuse a Python without venv or ensurepip; Debian has both in a package of their own."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise CommandError(
            f"{sys.executable} has no {' and no '.join(missing)}",
            f"install it (Debian, Ubuntu: apt-get install {package}), or install uv",
        )


def _hold_signals_back(script: Path) -> None:
    """Have doit's script started with SIGINT held back: Python shows a traceback at one that comes while it starts.

    tasks/__main__.py takes it as soon as it can. Where `env` cannot hold a signal back (GNU's can, since 8.31), one
    that comes in the first milliseconds is lost.
    """
    python = script.with_name("doit.script")  # No module: Python looks for some beside it.
    script.replace(python)
    # By its path: the script then needs nothing of PATH.
    env = shutil.which("env") or "env"
    try:
        holds = processes.run([env, "--block-signal=INT", "true"]).code == 0
    except CommandError:
        holds = False
    start = f"exec {shlex.quote(env)} --block-signal=INT" if holds else "trap '' INT; exec"
    words = shlex.join([str(script.with_name("python")), str(python)])
    script.write_text(f'#!/bin/sh\n# Written by tasks/venv.py.\n{start} {words} "$@"\n')
    script.chmod(0o755)


def _remove(directory: Path) -> None:
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory)


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    """Make the environment of the checkout that is named; return the exit code."""
    (checkout,) = arguments
    # An interrupt that was held back while Python started arrives here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        ensure(Path(checkout), _tell)
    except SleeperImagesError as error:
        sys.stderr.write(f"doitw: {error}\n")
        return _FAILED
    except KeyboardInterrupt:
        sys.stderr.write("doitw: interrupted; the next run makes .venv anew\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
