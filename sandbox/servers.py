"""Starting and stopping the whole sandbox, one run at a time."""

from __future__ import annotations

import contextlib
import math
import shutil
from collections.abc import Iterable

from sandbox import aws, engine, registry, sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from sandbox.packages import Tell, silent
from tasks import lock
from tasks.errors import EngineError
from tasks.model import Image


def start(sandbox: Sandbox, images: Iterable[Image], tell: Tell = silent) -> Engine:
    """Start what does not run, and make what is missing of the sample scripts.

    Args:
        sandbox: which one.
        images: what the sample scripts must have.
        tell: is told of what takes long, as it begins.

    Returns:
        The engine that is used.

    Raises:
        EngineError: the engine, the registry or the API cannot be started; the text says what to do.
        LockedError: the sandbox's directory cannot be written.
    """
    with _alone(sandbox):
        if not engine.running(sandbox):
            # Its container must not stay behind on an engine that is given up.
            registry.stop(sandbox, engine.reachable(sandbox))
        found = engine.start(sandbox, tell)
        registry.start(sandbox, found, tell)
        aws.start(sandbox)
        sample.make(sandbox.scripts_dir, images, sandbox.version)
    return found


def running(sandbox: Sandbox) -> bool:
    """Return whether everything answers."""
    return engine.running(sandbox) and registry.running(sandbox) and aws.running(sandbox)


def stop(sandbox: Sandbox) -> None:
    """Stop what was started; what it made stays, and a later start goes on with it. Nothing happens where nothing runs.

    Raises:
        EngineError: a server belongs to another user.
        LockedError: the sandbox's directory does.
        CommandError: a container or the builder could not be removed.
    """
    if not sandbox.directory.exists():
        return
    with _alone(sandbox), contextlib.ExitStack() as stack:
        # Last in, first out; and each even where another fails.
        stack.callback(engine.stop, sandbox)
        stack.callback(registry.stop, sandbox, engine.reachable(sandbox))
        stack.callback(aws.stop, sandbox)


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
