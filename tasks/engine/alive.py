"""An engine that dies during a run: found when a build fails, told once, and not asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from tasks.engine import unanswered
from tasks.engine.buildx import Engine
from tasks.engine.nodes import parse
from tasks.errors import BuildError, CommandError, EngineGoneError
from tasks.system import processes

Result = TypeVar("Result")

_SECONDS = 60.0
_THEN = "; then run again: images already pushed are kept"


class Alive:
    """Runs builds for as long as there is an engine to run them.

    Args:
        ask: returns why the engine builds nothing any more, or None where it still answers.
    """

    def __init__(self, ask: Callable[[], EngineGoneError | None]) -> None:
        self._ask = ask
        self._gone: EngineGoneError | None = None
        self._lock = threading.Lock()

    def build(self, build: Callable[[], Result]) -> Result:
        """Return what a build returns.

        Raises:
            EngineGoneError: the engine is gone, whether this build found it or another one.
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
    """Return why a builder that was ready can build nothing any more, or None where it still answers.

    One that only stopped is booted by the next build, unless it is `remote`.
    """
    try:
        argv = ["docker", "buildx", "inspect", engine.builder]
        done = processes.run(argv, environment=environment, timeout=_SECONDS)
    except CommandError:
        return None  # The run is being stopped, or docker hangs: nobody knows.
    found = parse(done.output)
    said = found.fault or done.errors.strip()
    if done.code == 0 and not said and (found.running or engine.driver != "remote"):
        return None
    if done.code != 0 and not said:
        return None  # A signal ended it.
    if unanswered.is_told_by(said):
        step = unanswered.next_step(said, environment)
        return EngineGoneError(f"the Docker engine no longer answers\n    {said}", f"{step}{_THEN}")
    return EngineGoneError(
        f"the builder {engine.builder} ({engine.driver}) no longer answers\n    {said or 'it does not run'}",
        f"see `docker buildx inspect {engine.builder}`{_THEN}",
    )
