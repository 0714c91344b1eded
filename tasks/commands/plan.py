"""`doit plan`: what a run would do and why, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doit.exceptions import InvalidCommand

from tasks import build
from tasks.graph.closure import closure, images_of
from tasks.graph.composition import current
from tasks.graph.names import matching
from tasks.graph.options import EXIT_CODE, JSON, Reading, arguments, encoded, faults_code, state_code
from tasks.graph.target import check_destination, check_sandbox
from tasks.plan import Plan, plan, where
from tasks.run_context import RunContext
from tasks.system.terminal import colours, columns
from tasks.views.plan import as_object, as_text

_PUSH_ALL = "push_all"


class PlanCommand(Reading):
    """Prints the plan of a run of the same tasks with the same variables."""

    name = "plan"
    doc_purpose = "say what a run would do and why, changing nothing"
    doc_usage = "[TASK ...] [VARIABLE=VALUE ...]"
    doc_description = (
        "Without tasks, of push_all. Exit code 0; 1 where an image is blocked or unknown, so that a run would fail; 3 "
        "where nothing says where images go. docs/plan-and-why.md describes what it prints."
    )

    cmd_options = (
        JSON,
        EXIT_CODE,
    )

    def _execute(self, json: bool, exit_code: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        session = current()
        tasks = {task.name: task for task in self.task_list}
        found = self._plan(session, tasks, matching(tasks, arguments(pos_args) or [_PUSH_ALL]))
        target, version = where(session), session.settings.version
        if json:
            self.say(encoded(as_object(found, target, version)))
        else:
            stream = self.outstream
            self.say(as_text(found, target, version, colour=colours(stream), width=columns(stream)))
        return state_code(found.counts) if exit_code else faults_code(found.counts)

    def _plan(self, session: RunContext, tasks: Mapping[str, Any], names: Iterable[str]) -> Plan:
        needed = closure(tasks, names)
        pushes = images_of(session.catalogue, tasks, needed, "push")
        loads = images_of(session.catalogue, tasks, needed, "build")
        if not pushes and not loads and not ({_PUSH_ALL, "build_all"} & needed):
            raise InvalidCommand(
                f"{', '.join(names)}: no image is pushed or built by that, so there is nothing to plan"
            )
        check_sandbox(session)
        session.ask(pushes=pushes, loads=())  # Nothing is loaded, so that no builder has to be asked for.
        if pushes and not session.settings.sandbox:
            check_destination(session)
        return plan(session, pushes, {image.name: build.is_loaded(session, image) for image in loads})
