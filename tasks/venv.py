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
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tasks import run
from tasks.errors import CommandError, SleeperImagesError

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
    with (checkout / ".venv.lock").open("a") as lock:
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
        partial = environment / "stamp.partial"
        partial.write_bytes(wanted)
        partial.replace(environment / "stamp")


def _make(checkout: Path, environment: Path, lock: int, tell: Callable[[str], None]) -> None:
    installs = [[*_LOCKED, str(checkout / LOCK)], [*_ITSELF, str(checkout)]]
    python = str(environment / "bin" / "python")
    if shutil.which("uv"):
        _remove(environment)
        uv = ["uv", "pip", "install", "--quiet", "--python", python]
        venv = ["uv", "venv", "--quiet", "--python", sys.executable, str(environment)]
        if all(_try(argv, lock) for argv in (venv, *([*uv, *install] for install in installs))):
            return
        tell("doitw: uv could not do it; trying pip, which has a configuration of its own")
    _check_venv()
    _remove(environment)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # The interpreter itself and not a shim or link to it, which may become another version's.
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    for argv in ([interpreter, "-m", "venv", str(environment)], *([*pip, *install] for install in installs)):
        if not _try(argv, lock):
            raise CommandError(
                f"{' '.join(argv)} failed", "see its output above; behind a mirror, set PIP_INDEX_URL, then run again"
            )


def _try(argv: list[str], lock: int) -> bool:
    return run.foreground(argv, keep=[lock]) == 0


def _check_venv() -> None:
    """Refuse a Python without venv or ensurepip; Debian has both in a package of their own."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        raise CommandError(
            f"{sys.executable} has no {' and no '.join(missing)}",
            f"install it (Debian, Ubuntu: apt-get install {package}), or install uv",
        )


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
    try:
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
