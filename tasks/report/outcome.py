"""What a run ends with, out of what failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

UNMET, _FAILED = "UnmetDependency", "TaskFailed"
"""What doit calls a task that cannot begin because another one failed, and one that failed with an error of ours."""


def exit_code(failures: Sequence[tuple[str, bool]]) -> int:
    """Return what a run ends with, as docs/reliability.md has it; doit's own has 2 for every task that others need.

    Args:
        failures: of each task that failed, what doit calls the failure, and whether the task is about one image.
    """
    own = [failure for failure in failures if failure[0] != UNMET]
    if not own:
        return 2 if failures else 0  # What was needed was passed over, because doit was told so.
    shared = any(not of_image for _, of_image in own)
    needed = any(name == UNMET and of_image for name, of_image in failures)
    bug = any(name != _FAILED for name, _ in own)
    return 2 if bug or (shared and needed) else 1
