"""How long we put up with what is temporary, and how we hold ourselves back. Pure but for waiting.

Budget   how often and how long one thing is tried again
Pace     how many a second of something are begun, by all threads together
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
    """How much patience there is with faults that are temporary.

    Attributes:
        attempts: how often something is tried at most.
        seconds: after how long no further attempt is begun, waits included.
        first_wait: the longest wait before the second attempt; it doubles with each.
        longest_wait: where the doubling ends. A registry's own Retry-After may ask for more.
    """

    attempts: int = 6
    seconds: float = 60.0
    first_wait: float = 0.2
    longest_wait: float = 8.0

    def wait(self, attempt: int, jitter: float) -> float:
        """Return how long to wait after the attempt of this number (from 1); `jitter` is from 0 to 1."""
        ceiling = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        return ceiling * (0.5 + jitter / 2)


REQUEST = Budget()
"""For one request of ours."""

PUSH = Budget(attempts=4, seconds=120.0, first_wait=2.0, longest_wait=15.0)
"""For a build whose push the registry did not take. BuildKit has been patient for some seconds each time."""


VISIBLE = Budget(attempts=8, seconds=30.0, first_wait=0.3)
"""For what was just pushed: some registries, GHCR among them, answer 404 for some seconds (about 20 s here)."""


def until_there(
    ask: Callable[[], Found | None],
    budget: Budget = VISIBLE,
    *,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Found | None:
    """Return what `ask` returns, asking again while that is None and the budget lasts."""
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
    """A token bucket: `burst` at once, then `rate` a second. Threads may share it; they go in the order they came.

    Args:
        rate: how many a second.
        burst: how many at once after a pause.
        clock: tells the time in seconds.
        sleep: waits.
    """

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
        """Wait for one's turn."""
        self._sleep(self._spend(1))

    def spent(self, count: int) -> None:
        """Count what others did meanwhile, who did not wait for a turn: the next of us wait for it."""
        self._spend(count)

    def _spend(self, count: float) -> float:
        """Take so many, if need be of what is to come; return the seconds until the last of them is due."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._counted) * self._rate) - count
            self._counted = now
            return max(0.0, -self._left / self._rate)
