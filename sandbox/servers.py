"""Starts and stops the whole sandbox, one run at a time."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox import ecr, engine, registry, sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from sandbox.packages import Tell, silent
from tasks.errors import EngineError, LockedError
from tasks.model import Image
from tasks.system import lock

_CHECKOUT = Path(__file__).resolve().parent.parent
_PACKAGES = ("bcrypt", "boto3", "flask", "moto", "yaml")
"""The packages that a start needs: those of a push, and some of the extra `dev`."""


def check() -> None:
    """Check that this Python has the packages that a start needs.

    Raises:
        EngineError: some are missing.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise EngineError(
            f"the sandbox needs Python packages that are not installed here: {', '.join(missing)}",
            f"run {_CHECKOUT / 'doitw'} sandbox, which adds them to the environment",
        )


def start(sandbox: Sandbox, images: Iterable[Image], tell: Tell = silent) -> Engine:
    """Start the servers that do not run, and create the missing sample scripts.

    After a failure, the servers that this call has started are stopped, and no others.

    Args:
        sandbox: the sandbox.
        images: the images of the sample scripts.
        tell: called with what begins and takes long.

    Returns:
        The engine.

    Raises:
        EngineError: the engine, the registry or the API cannot be started; the next step says what to do.
        LockedError: the sandbox's directory cannot be written.
    """
    check()
    with _alone(sandbox), contextlib.ExitStack() as begun:
        if not engine.running(sandbox):
            # Its container must not stay on an engine that is no longer used.
            registry.stop(sandbox, engine.reachable(sandbox))
            begun.callback(engine.stop, sandbox)
        found = engine.start(sandbox, tell)
        if not registry.running(sandbox):
            ecr.stop(sandbox)  # It has the address of the former registry.
            begun.callback(registry.stop, sandbox, found)
            registry.start(sandbox, found, tell)
        if not ecr.running(sandbox):
            begun.callback(ecr.stop, sandbox)
            ecr.start(sandbox)
        sample.make(sandbox.scripts_dir, images, sandbox.version)
        begun.pop_all()
    return found


def running(sandbox: Sandbox) -> bool:
    """Return whether everything answers."""
    return engine.running(sandbox) and registry.running(sandbox) and ecr.running(sandbox)


@contextlib.contextmanager
def used(sandbox: Sandbox) -> Iterator[None]:
    """Keep the sandbox from being stopped while the block runs.

    Raises:
        LockedError: it is being stopped.
    """
    with lock.held(_use(sandbox), wait=math.inf, shared=True):
        yield


def stop(sandbox: Sandbox) -> None:
    """Stop all servers; their data stays for a later start.

    Raises:
        EngineError: a server belongs to another user.
        LockedError: the sandbox's directory belongs to another user, or a run uses the sandbox.
        CommandError: a container or the builder could not be removed.
    """
    if not sandbox.directory.exists():
        return
    with _unused(sandbox), _alone(sandbox), contextlib.ExitStack() as stack:
        # In reverse order. Each is stopped even if another one fails.
        stack.callback(engine.stop, sandbox)
        stack.callback(registry.stop, sandbox, engine.reachable(sandbox))
        stack.callback(ecr.stop, sandbox)


def remove(sandbox: Sandbox) -> None:
    """Stop the sandbox and remove its directory: sample scripts, images, caches, logs.

    Raises:
        EngineError: as for `stop`; or its files belong to another user.
        CommandError: as for `stop`.
    """
    stop(sandbox)
    for directory in (sandbox.runtime, sandbox.directory):
        if directory.exists():
            try:
                shutil.rmtree(directory)
            except PermissionError as fault:
                raise EngineError(f"{fault.filename} belongs to another user", f"remove {directory} as root") from fault


def _alone(sandbox: Sandbox) -> contextlib.AbstractContextManager[None]:
    return lock.held(sandbox.state / "lock", wait=math.inf)


@contextlib.contextmanager
def _unused(sandbox: Sandbox) -> Iterator[None]:
    try:
        with lock.held(_use(sandbox)):
            yield
    except LockedError as fault:
        if fault.__cause__ is not None:
            raise  # It is not held: it cannot be created.
        raise LockedError(
            f"the sandbox is in use: {fault.message}", "wait for that run, or end it, then stop the sandbox again"
        ) from fault


def _use(sandbox: Sandbox) -> Path:
    return sandbox.state / "use"
