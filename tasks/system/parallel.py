"""Threads: many calls at once, and values that they compute once.

The threads of concurrent.futures' own executor are joined at the end of a `with` and of the process: after a Ctrl-C
they would wait for a registry that does not answer. The threads of this module are daemons.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, overload

Item = TypeVar("Item")
Result = TypeVar("Result")
Owner = TypeVar("Owner")


class Pool(Executor):
    """An executor of at most so many threads, which end with the process, whatever they wait for."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._threads = 0
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Make a call as soon as a thread is free."""
        future: Future[Result] = Future()
        self._calls.put((future, functools.partial(fn, *args, **kwargs)))
        with self._lock:
            if self._threads < self._at_once:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # Executor's.
        """Let the threads end after the last call, without waiting for them."""
        for _ in range(self._threads):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except BaseException as fault:  # noqa: BLE001  # Raised again where the result is awaited.
                future.set_exception(fault)


def each(function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> list[Result]:
    """Call `function` with each item, in at most so many threads; return the results, in the order of the items.

    All items are taken before the first result is awaited.

    Raises:
        BaseException: what the first item that failed raised; calls that have not begun by then are not made.
    """
    with Pool(at_once) as pool:
        return list(pool.map(function, items))


class locked_property(Generic[Owner, Result]):  # noqa: N801  # Named as property and cached_property are.
    """A property that the first thread computes while the others wait. An exception is not kept.

    functools.cached_property has no lock since Python 3.12, and some things must exist once in a run: a client, a
    login, a booted builder.
    """

    def __init__(self, compute: Callable[[Owner], Result]) -> None:
        self._compute = compute
        self._guard = threading.Lock()
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> locked_property[Owner, Result]: ...
    @overload
    def __get__(self, instance: Owner, owner: type) -> Result: ...
    def __get__(self, instance: Owner | None, owner: type) -> Any:
        """Return the value, computed at the first use; later uses find the attribute of the instance."""
        if instance is None:
            return self
        values = instance.__dict__
        with self._guard:
            # A lock for each attribute of each instance: computing one may need another.
            lock = values.setdefault(f"_{self._name}_lock", threading.RLock())
        with lock:
            if self._name not in values:
                values[self._name] = self._compute(instance)
            return values[self._name]
