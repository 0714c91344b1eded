"""`doit clean`: remove what was made on this machine, and nothing in a registry.

doit clean              all build contexts and logs
doit clean TASK…        the contexts and logs of these tasks
doit clean builder      the buildx builder, only by its own name: its cache takes long to fill
doit clean sandbox      the sandbox, only by its own name
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from doit.cmd_clean import Clean as DoitClean

from tasks.commands.command import Interruptible
from tasks.errors import SleeperImagesError, StagingError
from tasks.graph.load import current
from tasks.graph.selected_tasks import matching
from tasks.run_context import RunContext
from tasks.system import lock
from tasks.system.terminal import Terminal

NAMED_ONLY = frozenset({"builder", "sandbox"})
"""Tasks that are cleaned only by their own name, not by a pattern, a group or as a prerequisite."""


class Clean(Interruptible, DoitClean):
    """Removes what tasks made on this machine."""

    name = "clean"
    doc_purpose = "remove contexts and logs from this machine"
    doc_description = "Without TASK, all of them. The builder and the sandbox are cleaned only by their names."
    cmd_options = tuple(option for option in DoitClean.cmd_options if option["name"] != "cleanforget")
    _named: frozenset[str] = frozenset()
    _found = _failed = False

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command to its end, even if the reader of its output leaves; return its exit code."""
        stream: Any = Terminal(self.outstream, os.environ)
        self.outstream = stream
        return super().execute(params, args)

    def _execute(self, dryrun: bool, cleandep: bool, cleanall: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options.
        context = current()
        self._named = frozenset(pos_args)
        names = matching([task.name for task in self.task_list], pos_args)
        with contextlib.nullcontext() if dryrun else lock.held(context.state.lock, context.settings.wait):
            if names and not cleanall:
                super()._execute(dryrun, cleandep, cleanall, False, names)  # noqa: FBT003  # doit's signature.
            else:
                self._reported(lambda: remove_all(context, dryrun=dryrun), dryrun)
        if not (self._found or self._failed):
            self.outstream.write("nothing to remove\n")
        return int(self._failed)

    def clean_tasks(self, tasks: Iterable[Any], dryrun: bool, cleanforget: bool) -> None:  # noqa: ARG002, FBT001  # doit's signature.
        """Clean these tasks and print what was removed; each clean action takes `dryrun` and returns that."""
        for task in {task.name: task for task in tasks}.values():
            if task.name in NAMED_ONLY - self._named:
                continue
            for act in task.clean_actions:
                self._reported(lambda act=act: act.py_callable(*act.args, dryrun=dryrun), dryrun)

    def _reported(self, clean: Any, dryrun: bool) -> None:  # noqa: FBT001  # Passed on.
        try:
            removed = list(clean())
        except SleeperImagesError as error:
            self._failed = True
            self.outstream.write(f"{error}\n")
        else:
            self._found = self._found or bool(removed)
            self.outstream.writelines(f"{'would remove' if dryrun else 'removed'} {what}\n" for what in removed)


def remove_all(context: RunContext, *, dryrun: bool) -> Iterator[Path]:
    """Remove all build contexts and logs; yield their directories.

    Raises:
        StagingError: one cannot be removed.
    """
    for directory in (context.state.contexts, context.state.logs):
        if directory.exists():
            yield directory
            if not dryrun:
                _remove(directory)


def _remove(directory: Path) -> None:
    try:
        shutil.rmtree(directory)
    except OSError as fault:
        path = fault.filename or directory
        raise StagingError(f"{path} cannot be removed: {fault.strerror}", f"check its owner: ls -ld {path}") from fault
