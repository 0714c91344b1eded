"""`doit run`, or `doit TASK…`: doit's own command, with the checks, the lock and the cleaning up of a run.

names checked ─▶ which images ─▶ the checkout's lock ─▶ doit's run ─▶ digests.json ─▶ children ended, login removed
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from doit.cmd_run import Run as DoitRun
from doit.doit_cmd import set_var
from doit.exceptions import InvalidCommand

from tasks.commands import digests
from tasks.commands.command import SANDBOX, Interruptible, Reading
from tasks.graph import file_dependencies
from tasks.graph.load import current
from tasks.graph.selected_tasks import images_of, matching, with_prerequisites
from tasks.model import Image
from tasks.refresh import refresh
from tasks.run_context import RunContext
from tasks.stage import sweep
from tasks.system import lock
from tasks.system.text import WIDTH, folded, quoted

LOCKED = frozenset({"preflight", "stage", "repository", "builder", "login", "push", "build"})
"""The verbs that write to the state directory; a run of other tasks needs no lock."""


class Run(Interruptible, DoitRun):
    """Runs tasks."""

    name = "run"
    doc_purpose = "run tasks; the word `run` may be left out"
    doc_usage = "[OPTION ...] TASK ... [SETTING=VALUE ...]"
    doc_description = (
        "docs/settings.md describes the settings, docs/reliability.md the exit codes. The words after `test` are "
        "pytest's."
    )
    targets_sandbox = True
    interrupted = "interrupted; finished images are kept, run again to continue\n"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._commands = kwargs.get("cmds")
        self._made_with = kwargs

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse the words of the command line and run them; after the word `sandbox` a command may follow."""
        if in_args[:1] == [SANDBOX] and in_args[1:] and in_args[1] in (self._commands or ()):
            return self._in_sandbox(in_args[1], in_args[2:])
        if in_args[:1] == ["test"] and "--" not in in_args:
            in_args = ["test", "--", *in_args[1:]]
        return super().parse_execute(in_args)

    def _in_sandbox(self, name: str, words: list[str]) -> Any:
        command = self._commands.get_plugin(name)(**self._made_with)  # type: ignore[union-attr]  # Its caller looked.
        if not isinstance(command, Reading | Run):
            raise InvalidCommand(
                f"`{SANDBOX}` goes before tasks and before commands that only read, not before `{name}`\n"
                f"  next: `doit help {name}` shows how to use it"
            )
        set_var("target", SANDBOX)
        return command.parse_execute([SANDBOX, *words] if isinstance(command, Run) else words)

    def _execute(  # noqa: PLR0917  # doit passes its options by these names (doit 0.37, cmd_base.py:548-552).
        self,
        outfile: Any,
        verbosity: Any,
        always: Any,
        continue_: Any,
        reporter: Any,
        num_process: Any,
        par_type: Any,
        single: Any,
        auto_delayed_regex: Any,
        force_verbosity: Any,
        failure_verbosity: Any,
        pdb: Any,
    ) -> int:
        context = current()
        refreshed = self._refresh(context)
        if self.sel_default_tasks:
            return 0 if refreshed else self._overview()
        self._check_names()
        file_dependencies.record(self.dep_manager, self.task_list)
        verbs = self._prepare(context)
        with contextlib.ExitStack() as held:
            if LOCKED & verbs:
                held.enter_context(lock.held(context.state.lock, context.settings.wait))
                held.callback(self._record_digests, context)
            if {"push", "build"} & verbs:
                sweep(context)
            ended = super()._execute(
                outfile, verbosity, always, continue_, reporter, num_process, par_type, single,
                auto_delayed_regex, force_verbosity, failure_verbosity, pdb,
            )  # fmt: skip
            return context.channel.exit_code if ended in {1, 2} else int(ended)

    def _record_digests(self, context: RunContext) -> None:
        """Update this checkout's digests.json, also after a run that failed."""
        fault = digests.record(context)
        if fault:
            self.say(f"  note      digests: {fault}\n")

    def _refresh(self, context: RunContext) -> bool:
        """Lock base images to today's digests with base=refresh; return whether it was given."""
        if context.settings.base != "refresh":
            return False
        found = refresh(context.bases, context.catalogue, context.selected, context.settings)
        self.outstream.writelines(f"locked {reference} {digest}\n" for reference, digest in found.locked.items())
        self.outstream.writelines(f"{line}\n" for reference in found.only_here for line in _unlocked(reference))
        return True

    def _overview(self) -> int:
        """List the tasks: `doit` without a task pushes nothing."""
        tasks = [task for task in self.task_list if not task.subtask_of and not task.name.startswith("_")]
        width = max(len(task.name) for task in tasks) + 2
        lines = [f"  {task.name:<{width}}{task.doc}" for task in tasks]
        self.say("\n".join(["Name the tasks to run:", *lines, "`doit help` lists the commands.", ""]))
        return 0

    def _check_names(self) -> None:
        """Refuse an unknown name or pattern, which doit skips or reports without a suggestion."""
        tasks = {task.name: task for task in self.task_list}
        for word in self.sel_tasks:
            if word.startswith("-"):
                return  # Options of the task before it, which doit parses.
            if word in (self._commands or ()) and word not in tasks:
                others = " ".join(other for other in self.sel_tasks if other != word)
                raise InvalidCommand(f"{quoted(word)} is a command\n  next: name it first: `doit {word} {others}`")
            matching(tasks, [word], "task or command", self._commands or ())
            if word in tasks and tasks[word].pos_arg is not None:
                return  # It takes the rest of the line.

    def _prepare(self, context: RunContext) -> set[str]:
        """Set which images the named tasks are about; return the verbs of all tasks that will run."""
        tasks = {task.name: task for task in self.task_list}
        names = with_prerequisites(tasks, self.sel_tasks)
        verbs = {str(meta["verb"]) for name in names if "verb" in (meta := tasks[name].meta or {})}
        pushes: Sequence[Image] = images_of(context.catalogue, tasks, names, "push", "stage", "repository")
        if not pushes and verbs & {"preflight", "builder", "login"}:
            pushes = context.selected  # Alone, each of them is about the images of push_all.
        loads = images_of(context.catalogue, tasks, names, "build")
        engine_only = "builder" in verbs and verbs <= {"build", "builder", "preflight", "sandbox"}
        context.ask(
            pushes=() if engine_only else pushes,
            loads=loads,
            builder="builder" in self.sel_tasks,
            preflight="preflight" in self.sel_tasks and not {"push", "build"} & verbs,
        )
        if context.asked.pushes and not context.settings.sandbox:
            context.settings.require_destination()
        return verbs


def _unlocked(reference: str) -> list[str]:
    text = (
        f"not locked {reference}: its registry does not have it, only this machine's engine does. Push it to a "
        "registry and use that name in FROM: other machines cannot pull it otherwise."
    )
    return folded(text, "  ", WIDTH)
