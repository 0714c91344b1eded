"""Why images are built, in the words of `plan`: found out while the run makes itself ready to build.

It reads what the registry recorded of the images that are there, which takes longer than a decision. So it decides
nothing, and a run waits for it no longer than `PATIENCE`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

PATIENCE = 1.0
"""Seconds from its beginning for which the first build waits; a preflight usually takes longer than the reading."""


class Reasons:
    """Reasons by the images' names. Threads may share it.

    Args:
        explain: finds them out; called once, in a thread.
    """

    def __init__(self, explain: Callable[[], Mapping[str, str]]) -> None:
        self._explain = explain
        self._lock = threading.Lock()
        self._found: Mapping[str, str] = {}
        self._thread: threading.Thread | None = None
        self._deadline = 0.0

    def begin(self) -> None:
        """Begin to find them out, if nobody has begun yet."""
        with self._lock:
            if self._thread is None:
                self._deadline = time.monotonic() + PATIENCE
                self._thread = threading.Thread(target=self._work, name="reasons", daemon=True)
                self._thread.start()

    def of(self, image: str, otherwise: str) -> str:
        """Return an image's reason, or the other one where it was not found out, or not in time."""
        if self._thread is not None:
            self._thread.join(max(0.0, self._deadline - time.monotonic()))
        return self._found.get(image, otherwise)

    def _work(self) -> None:
        self._found = self._explain()
