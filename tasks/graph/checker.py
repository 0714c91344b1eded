"""doit's view of file dependencies: they inform, and never decide.

An image's file dependencies are listed so that `doit list --deps` and `doit info` can show them. Whether a task is up
to date is what its `uptodate` says, which asks for the image's decision; a file that doit found changed would otherwise
run a task whose image is current, and one that is missing would end the run before our own error named the fix.
"""

from __future__ import annotations

from doit.dependency import FileChangedChecker

LISTED = "listed"
"""The state of every file, whatever is in it."""


class Informative(FileChangedChecker):
    """Finds every file present and unchanged."""

    def exists(self, file_path: str) -> bool:  # noqa: ARG002  # doit's signature.
        """Return True: no task of ours has a target file."""
        return True

    def info(self, file_path: str) -> None:
        """Return nothing; a missing file is not an error here."""

    def check_modified(self, file_path: str, file_stat: None, state: object) -> bool:  # noqa: ARG002  # As above.
        """Return False."""
        return False

    def get_state(self, dep: str, current_state: object) -> str:  # noqa: ARG002  # As above.
        """Return a constant, which the ledger also gives of a file that it has no record of."""
        return LISTED
