"""`doit clean`: remove what was made on this machine; nothing remote, ever.

doit clean              every context and log
doit clean TASK…        what these tasks made: contexts, logs
doit clean builder      the buildx builder, and only if it is named: people wait long for its cache
doit clean sandbox      the sandbox, likewise
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from doit.cmd_clean import Clean as DoitClean

from tasks.errors import SleeperImagesError, StagingError
from tasks.graph.composition import current
from tasks.graph.names import matching
from tasks.graph.options import Changing
from tasks.graph.run import checkout
from tasks.run_context import RunContext

NAMED_ONLY = frozenset({"builder", "sandbox"})
"""Tasks that are cleaned by their own name and by no pattern, group or dependency."""


class Clean(Changing, DoitClean):
    """Removes what tasks made on this machine."""

    name = "clean"
    doc_purpose = "remove contexts and logs from this machine"
    doc_description = "Without TASK, all of them. The builder and the sandbox are cleaned only by their names."
    _named: frozenset[str] = frozenset()
    _found = _failed = False

    def _execute(self, dryrun: bool, cleandep: bool, cleanall: bool, cleanforget: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options.
        session = current()
        self._named = frozenset(pos_args)
        names = matching([task.name for task in self.task_list], pos_args)
        with contextlib.nullcontext() if dryrun else checkout(session):
            if names and not cleanall:
                super()._execute(dryrun, cleandep, cleanall, cleanforget, names)
            else:
                self._reported(lambda: remove_all(session, dryrun=dryrun), dryrun)
                if cleanforget and not dryrun:
                    self.dep_manager.remove_all()
                self.dep_manager.close()
        if not (self._found or self._failed):
            self.outstream.write("nothing to remove\n")
        return int(self._failed)

    def clean_tasks(self, tasks: Iterable[Any], dryrun: bool, cleanforget: bool) -> None:  # noqa: FBT001  # doit's signature.
        """Clean these tasks and say what was removed; each clean action takes `dryrun` and returns that."""
        for task in {task.name: task for task in tasks}.values():
            if task.name in NAMED_ONLY - self._named:
                continue
            for act in task.clean_actions:
                self._reported(lambda act=act: act.py_callable(*act.args, dryrun=dryrun), dryrun)
            if cleanforget and not dryrun:
                self.dep_manager.remove(task.name)
        self.dep_manager.close()

    def _reported(self, clean: Any, dryrun: bool) -> None:  # noqa: FBT001  # Handed on.
        try:
            removed = list(clean())
        except SleeperImagesError as error:
            self._failed = True
            self.outstream.write(f"{error}\n")
        else:
            self._found = self._found or bool(removed)
            self.outstream.writelines(f"{'would remove' if dryrun else 'removed'} {what}\n" for what in removed)


def remove_all(session: RunContext, *, dryrun: bool) -> Iterator[Path]:
    """Remove every context and log; yield their directories.

    Raises:
        StagingError: one cannot be removed.
    """
    for directory in (session.state.contexts, session.state.logs):
        if directory.exists():
            yield directory
            if not dryrun:
                _remove(directory)


def _remove(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except OSError as fault:
        raise StagingError(f"{fault.filename} cannot be removed: {fault.strerror}", "see who owns it") from fault
