"""Many calls at once, none of which is waited for once nobody wants their results.

The executors of concurrent.futures wait for their threads, at the end of a `with` and of the process: after a Ctrl-C
one would sit out the silence of a registry. These threads are let go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> list[Result]:
    """Call `function` with each item.

    Args:
        function: called in threads.
        items: all of them are taken before the first call.
        at_once: how many calls there may be at the same time.

    Returns:
        The results, in the items' order.

    Raises:
        BaseException: what the first call to fail raised; calls that have not begun by then are not made.
    """
    waiting = list(items)
    numbers = iter(range(len(waiting)))
    lock, wanted = threading.Lock(), threading.Event()
    wanted.set()
    ended: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while wanted.is_set():
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                ended.put((number, function(waiting[number]), None))
            except BaseException as fault:  # noqa: BLE001  # Raised again where the results are awaited.
                ended.put((number, None, fault))

    results: dict[int, Result] = {}
    try:
        for _ in range(min(at_once, len(waiting))):
            threading.Thread(target=work, daemon=True).start()
        while len(results) < len(waiting):
            number, result, fault = ended.get()
            if fault is not None:
                raise fault
            results[number] = result
    finally:
        wanted.clear()
    return [results[number] for number in range(len(waiting))]
