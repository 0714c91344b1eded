"""How many calls a second ECR takes before it throttles.

Source: the user guide, "Amazon ECR service quotas": the rates of the calls that pushes are made of, an account and
Region. How large a burst may be is not documented; here it is what one second allows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

RATES = {
    "PutImage": 10,
    "InitiateLayerUpload": 100,
    "CompleteLayerUpload": 100,
    "UploadLayerPart": 500,
}
"""Calls a second."""


class Quotas:
    """Counts calls. Threads may share it.

    Args:
        now: tells the time, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._left = {operation: float(rate) for operation, rate in RATES.items()}
        self._counted = now()

    def take(self, operation: str) -> bool:
        """Count a call; return whether the quota allows it."""
        with self._lock:
            now = self._now()
            passed, self._counted = now - self._counted, now
            self._left = {one: min(RATES[one], left + passed * RATES[one]) for one, left in self._left.items()}
            if self._left[operation] < 1:
                return False
            self._left[operation] -= 1
            return True
