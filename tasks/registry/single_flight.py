"""One answer for all who ask the same thing at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """Lets threads that need the same thing at once share one call. Remembers nothing: the next who asks calls again.

    Forty requests that need a first token so fetch one; and where that fails, all forty know, not one after another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    def share(self, key: str, call: Callable[[], T]) -> T:
        """Return what `call` returns, or what the call under way for `key` will; raises what that raises."""
        with self._lock:
            waiting = self._under_way.get(key)
            if waiting is None:
                mine: Future[T] = Future()
                self._under_way[key] = mine
        if waiting is not None:
            result: T = waiting.result()
            return result
        try:
            mine.set_result(call())
        except BaseException as fault:  # noqa: BLE001  # Handed over to everybody who waits, and to our own caller.
            mine.set_exception(fault)
        finally:
            with self._lock:
                del self._under_way[key]
        return mine.result()
