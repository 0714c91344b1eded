"""Many calls at once, none of which is waited for once nobody wants their results.

The threads of the executor of concurrent.futures are waited for, at the end of a `with` and of the process: after a
Ctrl-C they would sit out the silence of a registry. These are let go.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Executor):
    """An executor whose threads end with the process, whatever they are waiting for.

    Args:
        at_once: how many calls there may be at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._threads = 0
        self._lock = threading.Lock()
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        """Have a call made as soon as a thread is free."""
        future: Future[Result] = Future()
        self._calls.put((future, functools.partial(fn, *args, **kwargs)))
        with self._lock:
            if self._threads < self._at_once:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # Executor's.
        """Let the threads end when nothing is left to do, without waiting for them."""
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
    """Call `function` with each item.

    Args:
        function: called in threads.
        items: all of them are taken before the first result is awaited.
        at_once: how many calls there may be at the same time.

    Returns:
        The results, in the items' order.

    Raises:
        BaseException: what the first of the items to fail raised; calls that have not begun by then are not made.
    """
    with Pool(at_once) as pool:
        return list(pool.map(function, items))
