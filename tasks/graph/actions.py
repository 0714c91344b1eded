"""The edge between our functions and doit's actions.

A doit action that raises is printed with its traceback; one that returns TaskFailed is printed as its text alone
(doit 0.37, action.py:474-480). So a fault of errors.py becomes a TaskFailed here, once, and a bug keeps its traceback.
The TaskFailed carries the fault as `error`, for the reporter.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from typing import Any

from doit.exceptions import TaskFailed

from tasks.errors import SleeperImagesError

NO_CAPTURE = {"capture": False}
"""For a task's `io`: doit would swap sys.stdout for all threads at once (doit 0.37, action.py:442-458)."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
"""Whatever was being written, a log or a cache, a full disk is no bug."""

Action = tuple[Callable[..., Any], list[Any]]


def action(function: Callable[..., Any], *arguments: object) -> Action:
    """Return the doit action that calls `function(*arguments)` and reports our errors as failures.

    The function's result is the task's: a dict is saved as its values, None is success.
    """

    @functools.wraps(function)
    def run(*given: object) -> Any:
        try:
            return function(*given)
        except SleeperImagesError as error:
            return _failed(error)
        except OSError as fault:
            if fault.errno not in _FULL:
                raise
            where = fault.filename or "a disk that this run writes to"
            return _failed(SleeperImagesError(f"{where}: {fault.strerror}", "free some space in STATE_DIR and TMPDIR"))

    # doit reads the signature to hand over `task`, `dependencies` …; ours takes the listed arguments only.
    del run.__wrapped__
    return run, list(arguments)


def _failed(error: SleeperImagesError) -> TaskFailed:
    failed = TaskFailed(str(error))
    failed.error = error
    return failed
