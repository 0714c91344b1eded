"""Runs a build again if that may help, and not if the engine has stopped answering."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tasks.engine import buildx, daemon
from tasks.engine.buildx import Engine
from tasks.engine.failure import Cause, cause
from tasks.engine.nodes import parse
from tasks.errors import BuildError, CommandError, EngineGoneError
from tasks.reference import Digest
from tasks.system import processes
from tasks.system.backoff import PUSH, Budget

Result = TypeVar("Result")

_LATER = "run again later: the registry is busy or unreachable; images already pushed are kept"
_UNCACHED = "built without BuildKit's cache, as a part of it was lost"

_INSPECT_SECONDS = 60.0
_THEN = "; then run again: images already pushed are kept"


# Attempts


def build(
    argv: Sequence[str],
    run: Callable[[Sequence[str]], Digest],
    *,
    renew: Callable[[], None] = lambda: None,
    budget: Budget = PUSH,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> tuple[Digest, str]:
    """Build and push: again while only the registry refuses, once with a new login, once without a lost cache.

    Args:
        argv: a command of `buildx.command`.
        run: runs such a command, as `buildx.build` does.
        renew: renews the login; called once at most.
        budget: how often and how long a busy registry is tried.
        sleep: waits for so many seconds.
        clock: returns the time in seconds.
        jitter: returns numbers from 0 to 1.

    Returns:
        The digest, and a note about the attempts, or an empty text.

    Raises:
        BuildError: the build fails for another reason, or the budget is spent.
    """
    started, renewed, cached = clock(), False, True
    attempt = 1
    while True:
        try:
            digest = run(argv if cached else buildx.uncached(argv))
        except BuildError as error:
            why = cause(error.said)
            if why in {Cause.LOGIN, Cause.HIDDEN} and not renewed:
                renewed = True
                renew()
                continue
            if why is Cause.CACHE and cached:
                cached = False
                continue
            if why not in {Cause.BUSY, Cause.HIDDEN}:
                raise
            wait = budget.wait(attempt, jitter())
            if attempt == budget.attempts or clock() - started + wait > budget.seconds:
                if why is Cause.HIDDEN:
                    raise
                raise BuildError(error.message, _LATER, said=error.said, log=error.log) from None
            attempt += 1
            sleep(wait)
        else:
            taken = f"the registry accepted the push at attempt {attempt}" if attempt > 1 else ""
            return digest, "; ".join(filter(None, ("" if cached else _UNCACHED, taken)))


# An engine that is gone


class Alive:
    """Runs builds until the engine is gone. That is found out when a build fails, once, and is one fault.

    Args:
        ask: returns why the engine can build nothing any more; None if it still answers.
    """

    def __init__(self, ask: Callable[[], EngineGoneError | None]) -> None:
        self._ask = ask
        self._gone: EngineGoneError | None = None
        self._lock = threading.Lock()

    def build(self, build: Callable[[], Result]) -> Result:
        """Return the result of a build.

        Raises:
            EngineGoneError: the engine is gone, as this build found out or another one.
            BuildError: the build failed, and the engine still answers.
        """
        if self._gone is not None:
            raise self._gone
        try:
            return build()
        except BuildError:
            with self._lock:
                self._gone = self._gone or self._ask()
            if self._gone is not None:
                raise self._gone from None
            raise


def gone(engine: Engine, environment: Mapping[str, str]) -> EngineGoneError | None:
    """Return why a builder that was ready can build nothing any more; None if it still answers.

    A builder that has only stopped is booted by the next build, unless it is `remote`.
    """
    try:
        argv = ["docker", "buildx", "inspect", engine.builder]
        done = processes.run(argv, environment=environment, timeout=_INSPECT_SECONDS)
    except CommandError:
        return None  # The run is being stopped, or docker hangs: unknown.
    found = parse(done.output)
    said = found.fault or done.errors.strip()
    if done.code == 0 and not said and (found.running or engine.driver != "remote"):
        return None
    if done.code != 0 and not said:
        return None  # A signal ended it.
    if daemon.is_unreachable(said):
        step = daemon.next_step(said, environment)
        return EngineGoneError(f"the Docker engine no longer answers\n    {said}", f"{step}{_THEN}")
    return EngineGoneError(
        f"the builder {engine.builder} ({engine.driver}) no longer answers\n    {said or 'it does not run'}",
        f"see `docker buildx inspect {engine.builder}`{_THEN}",
    )
