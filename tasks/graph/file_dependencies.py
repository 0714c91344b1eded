"""doit's view of file dependencies: they are listed, and they never decide.

Tasks list the files of their image in `file_dep`, for `doit list --deps` and `doit info`. Whether a task is up to date
is the answer of its `uptodate`, which asks for the image's decision. doit itself would run a task whose files changed,
although the image is current; it would stop at a missing file before our own error names the fix; and it would hash
every jar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from doit.dependency import FileChangedChecker


class NeverChanged(FileChangedChecker):
    """A `check_file_uptodate` that finds every file present and unchanged, without reading it."""

    def exists(self, file_path: str) -> bool:  # noqa: ARG002  # doit's signature.
        """Return True: our tasks have no target files."""
        return True

    def info(self, file_path: str) -> None:
        """Return nothing: a missing file is not an error here."""

    def check_modified(self, file_path: str, file_stat: None, state: object) -> bool:  # noqa: ARG002  # As above.
        """Return False."""
        return False

    def get_state(self, dep: str, current_state: object) -> str:  # noqa: ARG002  # As above.
        """Return a constant as the state of the file."""
        return "listed"


def record(dep_manager: Any, tasks: Iterable[Any]) -> None:
    """Record each task's files in doit's store, which lives in this process's memory only.

    doit runs a task for a file without a record, whatever its `uptodate` answers (doit 0.37, dependency.py:703), and
    `doit list --status` would then show every image of a fresh clone as outdated. This is what `doit reset-dep` does.

    Args:
        dep_manager: doit's store, of the command that judges the tasks.
        tasks: doit's tasks.
    """
    for task in tasks:
        dep_manager.save_success(task)
