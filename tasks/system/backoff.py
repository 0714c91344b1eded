"""Retries and rate limits.

Budget   how often and how long one operation is retried
Pace     how many operations a second all threads together begin
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Found = TypeVar("Found")


@dataclass(frozen=True)
class Budget:
    """How often and how long an operation is retried after a temporary fault.

    Attributes:
        attempts: the most attempts.
        seconds: the time after which no attempt begins, waits included.
        first_wait: the longest wait before the second attempt; it doubles with each attempt.
        longest_wait: the limit of the doubling. A registry's Retry-After may ask for more.
    """

    attempts: int = 6
    seconds: float = 60.0
    first_wait: float = 0.2
    longest_wait: float = 8.0

    def wait(self, attempt: int, jitter: float) -> float:
        """Return the seconds to wait after an attempt (from 1); `jitter` is a number from 0 to 1."""
        ceiling = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        return ceiling * (0.5 + jitter / 2)


REQUEST = Budget()
"""For one HTTP request."""

PUSH = Budget(attempts=4, seconds=120.0, first_wait=2.0, longest_wait=15.0)
"""For a build whose push the registry refused; BuildKit has then retried for some seconds itself."""


VISIBLE = Budget(attempts=8, seconds=30.0, first_wait=0.3)
"""For what was just pushed: some registries, such as GHCR, answer 404 for up to 20 s."""


def until_there(
    ask: Callable[[], Found | None],
    budget: Budget = VISIBLE,
    *,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Found | None:
    """Return what `ask` returns; ask again while it returns None and the budget lasts."""
    waited = 0.0
    for attempt in range(1, budget.attempts + 1):
        found = ask()
        wait = budget.wait(attempt, jitter())
        if found is not None or attempt == budget.attempts or waited + wait > budget.seconds:
            break
        sleep(wait)
        waited += wait
    return found


class Pace:
    """A token bucket: `burst` operations at once, then `rate` a second. Threads may share it."""

    def __init__(
        self,
        rate: float,
        burst: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._burst = rate, burst
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._left = burst
        self._counted = clock()

    def take(self) -> None:
        """Take a token; wait until there is one."""
        self._sleep(self._spend(1))

    def spent(self, count: int) -> None:
        """Take tokens for operations that others made without waiting: the next `take` waits for them."""
        self._spend(count)

    def _spend(self, count: float) -> float:
        """Take tokens, of the future if there are none now; return the seconds until the last one is there."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._counted) * self._rate) - count
            self._counted = now
            return max(0.0, -self._left / self._rate)
