"""Waiting for what another process does.

A file appears, a request arrives at a proxy, a process ends: nothing notifies the test. It polls, and goes on as soon
as the condition holds, instead of sleeping for the longest time that it may take.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

_LOOK_AGAIN_SECONDS = 0.005


def await_until(condition: Callable[[], bool], seconds: float, *, running: subprocess.Popen[Any] | None = None) -> None:
    """Return as soon as the condition holds; fail when it does not hold in time.

    Args:
        condition: the condition to wait for.
        seconds: the longest time to wait.
        running: the process that causes it; the wait fails when this process ends first.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not hold within {seconds:g} s"
        assert running is None or running.poll() is None, "the process that was to cause it has ended"
        time.sleep(_LOOK_AGAIN_SECONDS)
