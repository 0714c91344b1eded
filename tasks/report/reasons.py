"""Why images are built, in the words of `plan`: found out while the run makes itself ready to build.

It reads what the registry recorded of the images that are there, which takes longer than a decision. So it decides
nothing, and a run waits for it no longer than `PATIENCE`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0
"""Seconds from its beginning for which builds wait; a preflight takes about as long as the first readings."""


class Reasons:
    """Reasons by the images' names. Threads may share it.

    Args:
        explain: yields each image's name and reason, as it finds them out; called once, in a thread.
    """

    def __init__(self, explain: Callable[[], Iterator[tuple[str, str]]]) -> None:
        self._explain = explain
        self._changed = threading.Condition()
        self._found: dict[str, str] = {}
        self._working = False
        self._deadline: float | None = None

    def begin(self) -> None:
        """Begin to find them out, if nobody has begun yet."""
        with self._changed:
            if self._deadline is None:
                self._deadline = time.monotonic() + PATIENCE
                self._working = True
                threading.Thread(target=self._work, name="reasons", daemon=True).start()

    def of(self, image: str, otherwise: str) -> str:
        """Return an image's reason, or the other one where it was not found out, or not in time."""
        with self._changed:
            if self._deadline is not None:
                left = max(0.0, self._deadline - time.monotonic())
                self._changed.wait_for(lambda: image in self._found or not self._working, left)
            return self._found.get(image, otherwise)

    def _work(self) -> None:
        try:
            for image, reason in self._explain():
                with self._changed:
                    self._found[image] = reason
                    self._changed.notify_all()
        finally:
            with self._changed:
                self._working = False
                self._changed.notify_all()
