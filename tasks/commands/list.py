"""`doit list` and `doit info`: doit's own, with patterns, suggestions and the image's decision as the reason."""

from __future__ import annotations

from typing import Any

from doit.cmd_info import Info as DoitInfo
from doit.cmd_list import List as DoitList

from tasks.commands.command import Reading
from tasks.decision import Blocked, Build, Retag, Unknown
from tasks.graph import file_dependencies
from tasks.graph.load import current
from tasks.graph.selected_tasks import matching


class List(Reading, DoitList):
    """Lists tasks; a word may be a pattern."""

    name = "list"
    doc_purpose = "list tasks"

    def _list_filtered(self, tasks: dict[str, Any], filter_tasks: list[str], include_subtasks: bool) -> list[Any]:  # noqa: FBT001  # doit's signature.
        return list(super()._list_filtered(tasks, matching(tasks, filter_tasks), include_subtasks))

    def _print_task(self, template: str, task: Any, status: bool, list_deps: bool, tasks: dict[str, Any]) -> None:  # noqa: FBT001  # As above.
        file_dependencies.record(self.dep_manager, [task])
        super()._print_task(template, task, status, list_deps, tasks)


class Info(Reading, DoitInfo):
    """Shows a task; for a push the reason is the image's decision."""

    name = "info"
    doc_purpose = "show a task: what it waits for, and whether it would run"
    _image: str | None = None

    def _execute(self, pos_args: list[str], hide_status: bool) -> int:  # noqa: FBT001  # doit passes its options.
        file_dependencies.record(self.dep_manager, self.task_list)
        tasks = {task.name: task for task in self.task_list}
        names = matching(tasks, pos_args)
        meta = (tasks[names[0]].meta or {}) if len(names) == 1 else {}
        if meta.get("verb") == "push":
            self._image = meta["image"]
            context = current()
            context.ask(pushes=[context.catalogue.image(meta["image"])], loads=())
        return int(super()._execute(names, hide_status) or 0)

    def get_reasons(self, reasons: dict[str, Any]) -> str:
        """Return why the task would run."""
        if self._image is None:
            return str(super().get_reasons(reasons))
        context = current()
        match context.decisions.of(context.catalogue.image(self._image)):
            case Build(reason):
                return f" * build: {reason}"
            case Retag(_, reason):
                return f" * retag: {reason}"
            case Blocked(error) | Unknown(error):
                return f" * {error}"
        return str(super().get_reasons(reasons))
