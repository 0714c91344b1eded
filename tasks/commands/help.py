"""`doit help`, `-h` and `--version`: short, and only what works here."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from doit.cmdparse import CmdOption
from doit.exceptions import InvalidCommand

from tasks.commands.command import Interruptible
from tasks.configuration.faults import did_you_mean
from tasks.system.terminal import program
from tasks.system.text import quoted, wrapped

PROJECT = "sleeper-images"

TASKS = (
    ("push_all", "build and push every selected image that changed"),
    ("push:IMAGE", 'the same for one image; "push:*lambda" for several'),
    ("build_all, build:IMAGE", "build into the local engine; needs no registry"),
    ("preflight", "find all problems before the first build"),
    ("sandbox", "start an engine, a registry and an ECR API on this machine"),
    ("sandbox:stop", "stop them"),
    ("test, lint", "the project's own checks"),
)
"""The tasks that users run; `doit list --all` lists every task."""

_RUN_OPTIONS = {
    "always": "run the tasks even if they are up to date",
    "num_process": "how many tasks to run at once; 0 runs one after the other",
    "reporter": "how to show the run",
    "outfile": "write what the run shows to this file",
    "single": "run only the named tasks, without their prerequisites",
}
"""doit's options that have an effect on our tasks; the others are for actions that print, or dodo.py sets them."""


class Help(Interruptible):
    """Shows the overview, or how a command or a task is used."""

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
            self.say(overview(self._commands.to_dict()))
        elif args[0] in self._commands:
            self.say(of_command(self._commands.get_plugin(args[0])(**self._made_with)))
        else:
            return super().execute(params, args)
        return 0

    def _execute(self, pos_args: list[str]) -> int:
        tasks = {task.name: task for task in self.task_list}
        if pos_args[0] not in tasks:
            guess = did_you_mean(pos_args[0], [*tasks, *self._commands])
            raise InvalidCommand(
                f"unknown task or command {quoted(pos_args[0])}{guess}\n"
                "  next: `doit help` lists the commands; `doit list --all` lists every task"
            )
        self.say(of_task(tasks[pos_args[0]]))
        return 0


def asks_help(words: list[str]) -> bool:
    """Return whether the words ask for help; the words after `--` are for another program."""
    own = words[: words.index("--")] if "--" in words else words
    return not {"-h", "--help"}.isdisjoint(own)


def version() -> str:
    """Return the versions of the project, doit and Python, as a line."""
    return (
        f"{PROJECT} {metadata.version(PROJECT)} (doit {metadata.version('doit')}, Python {platform.python_version()})\n"
    )


def overview(commands: Mapping[str, Any]) -> str:
    """Return the tasks and commands that users run."""
    name = program()
    lines = [
        "Builds and pushes the Docker images of Sleeper: only those that changed.",
        "",
        f"  {name} TASK ... [SETTING=VALUE ...]     run tasks",
        f"  {name} COMMAND ... [SETTING=VALUE ...]  ask; nothing that is deployed changes",
        f"  {name} sandbox TASK|COMMAND ...         the same, in the sandbox of this checkout",
        "",
        "Tasks:",
        *_two_columns(TASKS),
        "",
        "Commands:",
        *_two_columns((command, commands[command].doc_purpose) for command in sorted(commands)),
        "",
        f"`{name} help NAME` explains one, `{name} settings` shows every setting, `{name} list --all` every task.",
    ]
    return "\n".join(lines) + "\n"


def of_command(command: Any) -> str:
    """Return how a command is used."""
    options = [CmdOption(option) for option in command.cmd_options]
    if command.name == "run":
        options = [option for option in options if option.name in _RUN_OPTIONS]
        next(option for option in options if option.name == "reporter").choices = _reporters(command)
    rows = [(option.help_param(), _meaning(option)) for option in options if option.short or option.long]
    lines = [f"{command.name}: {command.doc_purpose}", "", f"  {program()} {command.name} {command.doc_usage}".rstrip()]
    lines += ["", *_two_columns(rows)] if rows else []
    lines += ["", *wrapped(command.doc_description, "")] if command.doc_description else []
    return "\n".join(lines) + "\n"


def _reporters(run: Any) -> dict[str, str]:
    """Return the reporters of this project, with what each shows; doit's own print what our actions do not."""
    return {name: one.desc for name, one in run.reporters.items() if one.__module__.startswith("tasks.")}


def of_task(task: Any) -> str:
    """Return what a task does."""
    lines = [f"{task.name}: {task.doc}", "", f"  {program()} {task.name} [SETTING=VALUE ...]", ""]
    lines += [f"`{program()} info {task.name}` shows what it waits for, `{program()} help run` the options of a run."]
    return "\n".join(lines) + "\n"


def _meaning(option: CmdOption) -> str:
    text = " ".join(_RUN_OPTIONS.get(option.name, option.help % {"default": option.default}).split())
    choices = "; ".join(f"{choice}: {meaning}" if meaning else choice for choice, meaning in option.choices.items())
    return f"{text} ({choices})" if choices else text


def _two_columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    broad = min(24, max(len(left) for left, _ in rows)) + 4
    lines: list[str] = []
    for left, right in rows:
        folded = wrapped(right, " " * broad)
        if len(left) + 4 <= broad:
            folded[:1] = [f"  {left}".ljust(broad) + folded[0].lstrip()] if folded else [f"  {left}"]
        else:
            folded.insert(0, f"  {left}")
        lines += folded
    return lines
