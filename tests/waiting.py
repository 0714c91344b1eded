"""Waiting for what another process does.

Nobody tells us of it: a file appears, a request arrives at a proxy, a process is gone. So it is looked for again and
again, and a test goes on as soon as it is there, instead of sleeping for as long as it may take at the most.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

_LOOK_AGAIN_SECONDS = 0.005


def await_until(condition: Callable[[], bool], seconds: float, *, running: subprocess.Popen[Any] | None = None) -> None:
    """Return as soon as the condition holds; fail where it does not in time.

    Args:
        condition: what is waited for.
        seconds: how long it may take.
        running: the process that is to bring it about; where that has ended, there is nothing to wait for.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"what was awaited did not happen within {seconds:g} s"
        assert running is None or running.poll() is None, "the process that was to bring it about has ended"
        time.sleep(_LOOK_AGAIN_SECONDS)
