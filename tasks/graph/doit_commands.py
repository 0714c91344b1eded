"""doit's own commands, fit for this project: a wrong name is an error with a suggestion, a pattern works in each."""

from __future__ import annotations

import os
import sys
from typing import Any

from doit.cmd_forget import Forget as DoitForget
from doit.cmd_ignore import Ignore as DoitIgnore
from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList
from doit.cmd_resetdep import ResetDep as DoitResetDep
from doit.exceptions import InvalidCommand

from tasks.configuration.faults import did_you_mean
from tasks.decision import Blocked, Build, Retag, Unknown
from tasks.graph import usage
from tasks.graph.composition import current
from tasks.graph.ledger import read_only
from tasks.graph.names import matching
from tasks.graph.options import Changing, Interruptible, Reading, encoded, no_arguments
from tasks.system.terminal import Terminal
from tasks.system.text import quoted


class List(Reading, DoitList):
    """`doit list`, of patterns too."""

    name = "list"
    doc_purpose = "list tasks"

    def _list_filtered(self, tasks: dict[str, Any], filter_tasks: list[str], include_subtasks: bool) -> list[Any]:  # noqa: FBT001  # doit's signature.
        return list(super()._list_filtered(tasks, matching(tasks, filter_tasks), include_subtasks))


class Info(Reading, DoitInfo):
    """`doit info`, with the image's decision for the reason."""

    name = "info"
    doc_purpose = "show a task: what it waits for, and whether it would run"
    _image: str | None = None

    def _execute(self, pos_args: list[str], hide_status: bool) -> int:  # noqa: FBT001  # doit hands over its options.
        tasks = {task.name: task for task in self.task_list}
        names = matching(tasks, pos_args)
        meta = (tasks[names[0]].meta or {}) if len(names) == 1 else {}
        if meta.get("verb") == "push":
            self._image = meta["image"]
            session = current()
            session.ask(pushes=[session.catalogue.image(meta["image"])], loads=())
        return int(super()._execute(names, hide_status) or 0)

    def get_reasons(self, reasons: dict[str, Any]) -> str:
        """Return why the task would run; for a push what its image's decision says, which is what decides."""
        if self._image is None:
            return str(super().get_reasons(reasons))
        session = current()
        match session.decisions.of(session.catalogue.image(self._image)):
            case Build(reason):
                return f" * build: {reason}"
            case Retag(_, reason):
                return f" * retag: {reason}"
            case Blocked(error) | Unknown(error):
                return f" * {error}"
        return str(super().get_reasons(reasons))


class DumpDB(Reading):
    """`doit dumpdb`, of our own records: doit's reads dbm alone, which none of its other backends writes."""

    name = "dumpdb"
    doc_purpose = "print what is remembered of each task"
    doc_usage = ""
    doc_description = "It decides nothing; the registry does. JSON: the values of each task, by its name."

    def _execute(self, pos_args: list[str]) -> int:
        no_arguments(pos_args, self.name)
        values = {task.name: self.dep_manager.get_values(task.name) for task in self.task_list}
        self.dep_manager.close()
        self.outstream.write(encoded({name: saved for name, saved in values.items() if saved}))
        return 0


class Forget(Changing, DoitForget):
    """`doit forget`, of patterns too."""

    name = "forget"
    doc_purpose = "forget what is remembered of tasks; it decides nothing"
    sel_tasks: list[str] | None

    def _execute(self, forget_sub: bool, forget_disable_default: bool, forget_all: bool) -> int:  # noqa: FBT001  # doit hands over its options.
        self.sel_tasks = matching([task.name for task in self.task_list], self.sel_tasks or ())
        return int(super()._execute(forget_sub, forget_disable_default, forget_all) or 0)


class Ignore(Changing, DoitIgnore):
    """`doit ignore`, of patterns too."""

    name = "ignore"
    doc_purpose = "skip tasks in later runs, until `forget`"

    def _execute(self, pos_args: list[str]) -> int:
        return int(super()._execute(matching([task.name for task in self.task_list], pos_args)) or 0)


class ResetDep(Changing, DoitResetDep):
    """`doit reset-dep`, of patterns too."""

    name = "reset-dep"
    doc_purpose = "remember the files of tasks as they are now; it decides nothing"

    def _execute(self, pos_args: list[str]) -> int:
        return int(super()._execute(matching([task.name for task in self.task_list], pos_args)) or 0)


class Help(Interruptible):
    """`doit help`: the overview, a command, or a task."""

    name = "help"
    doc_purpose = "show what there is, or how a task or command is used"
    doc_usage = "[TASK | COMMAND]"
    cmd_options = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._commands = kwargs["cmds"]
        self._made_with = kwargs

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code."""
        if not args:
            self._say(usage.overview(self._commands.to_dict()))
        elif args[0] in self._commands:
            self._say(usage.of_command(self._commands.get_plugin(args[0])(**self._made_with)))
        else:
            read_only()
            return super().execute(params, args)
        return 0

    def _execute(self, pos_args: list[str]) -> int:
        tasks = {task.name: task for task in self.task_list}
        if pos_args[0] not in tasks:
            guess = did_you_mean(pos_args[0], [*tasks, *self._commands])
            raise InvalidCommand(
                f"there is no task or command {quoted(pos_args[0])}{guess}\n"
                "  next: `doit help` lists them; `doit list --all` lists every task"
            )
        self._say(usage.of_task(tasks[pos_args[0]]))
        return 0

    def _say(self, text: str) -> None:
        Terminal(sys.stdout, os.environ).write(text)
