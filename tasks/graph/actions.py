"""Turns our functions into doit actions.

doit prints an action that raises with its traceback, and one that returns TaskFailed as its text alone (doit 0.37,
action.py:474-480). An error of errors.py therefore becomes a TaskFailed here, once, and a bug keeps its traceback.
The TaskFailed carries the error as `error`, for the reporter.
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
"""A full disk is not a bug, whatever was being written."""

Action = tuple[Callable[..., Any], list[Any]]


def action(function: Callable[..., Any], *arguments: object) -> Action:
    """Return a doit action that calls `function(*arguments)` and reports our errors as failures of the task.

    The function's result is the task's: doit saves a dict as the task's values, and None is success.
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

    # doit reads the signature to pass `task`, `dependencies` …; ours takes the listed arguments only.
    del run.__wrapped__
    return run, list(arguments)


def _failed(error: SleeperImagesError) -> TaskFailed:
    failed = TaskFailed(str(error))
    failed.error = error
    return failed
