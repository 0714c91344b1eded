"""An engine that dies during a run: found when a build fails, told once, and not asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tasks.errors import BuildError, EngineGoneError

Result = TypeVar("Result")


class Alive:
    """Runs builds for as long as there is an engine to run them.

    Args:
        ask: returns why the engine builds nothing any more, or None where it still answers.
    """

    def __init__(self, ask: Callable[[], EngineGoneError | None]) -> None:
        self._ask = ask
        self._gone: EngineGoneError | None = None
        self._lock = threading.Lock()

    def build(self, run: Callable[[], Result]) -> Result:
        """Return what a build returns.

        Raises:
            EngineGoneError: the engine is gone, whether this build found it or another one.
            BuildError: the build failed, and the engine still answers.
        """
        if self._gone is not None:
            raise self._gone
        try:
            return run()
        except BuildError:
            with self._lock:
                self._gone = self._gone or self._ask()
            if self._gone is not None:
                raise self._gone from None
            raise
