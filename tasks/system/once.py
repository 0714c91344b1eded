"""A property that is computed once, by whichever thread comes first; the others wait for it.

functools.cached_property has had no lock since Python 3.12, and what a session holds must be there once: one client,
one login, one booted builder.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class once(Generic[Owner, Value]):  # noqa: N801  # Named as property and cached_property are.
    """Decorates a method: its result becomes the attribute. What it raises is not kept."""

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self._compute = compute
        self._guard = threading.Lock()
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[Owner, Value]: ...
    @overload
    def __get__(self, instance: Owner, owner: type) -> Value: ...
    def __get__(self, instance: Owner | None, owner: type) -> Any:
        """Return the value, computing it on first use; later uses find the instance's own attribute."""
        if instance is None:
            return self
        values = instance.__dict__
        with self._guard:
            # A lock for each attribute of each instance: computing one may well need another.
            lock = values.setdefault(f"_{self._name}_lock", threading.RLock())
        with lock:
            if self._name not in values:
                values[self._name] = self._compute(instance)
            return values[self._name]
