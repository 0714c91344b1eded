"""What `-h`, `help` and `--version` print: short, and only what works here."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from doit.cmdparse import CmdOption

from tasks.system.terminal import program
from tasks.system.text import wrapped

PROJECT = "sleeper-images"

TASKS = (
    ("push_all", "build and push every selected image that changed"),
    ("push:IMAGE", 'the same for one image; "push:*lambda" for some'),
    ("build_all, build:IMAGE", "build into the local engine; needs no registry"),
    ("preflight", "find all that stands in the way, before the first build"),
    ("sandbox", "start an engine, a registry and an ECR API on this machine"),
    ("sandbox:stop", "stop them"),
    ("test, lint", "the project's own checks"),
)
"""What people run; `doit list --all` lists every task."""

_RUN_OPTIONS = ("always", "num_process", "reporter", "outfile", "single")
"""doit's options that mean something to our tasks; the others are for actions that print, or fixed by dodo.py."""

_HELP = {
    "always": "run the tasks even where they are up to date",
    "num_process": "how many tasks to run at once; 0 for one after the other",
    "reporter": "how to show the run: `plain` for lines, `jsonl` for events as JSON",
    "outfile": "write what the run shows to this file",
    "single": "run only the named tasks, without those that come before them",
}


def version() -> str:
    """Return the versions of what runs, as a line."""
    return (
        f"{PROJECT} {metadata.version(PROJECT)} (doit {metadata.version('doit')}, Python {platform.python_version()})\n"
    )


def overview(commands: Mapping[str, Any]) -> str:
    """Return what there is to type.

    Args:
        commands: doit's and ours, by name.
    """
    name = program()
    lines = [
        "Builds and pushes the Docker images of Sleeper: only those that changed.",
        "",
        f"  {name} TASK ... [SETTING=VALUE ...]     run tasks",
        f"  {name} COMMAND ... [SETTING=VALUE ...]  ask; nothing that is deployed changes",
        f"  {name} sandbox TASK|COMMAND ...         the same, in the sandbox of this checkout",
        "",
        "Tasks:",
        *_table(TASKS),
        "",
        "Commands:",
        *_table((command, commands[command].doc_purpose) for command in sorted(commands)),
        "",
        f"`{name} help NAME` tells about one, `{name} settings` shows every setting, `{name} list --all` every task.",
    ]
    return "\n".join(lines) + "\n"


def of_command(command: Any) -> str:
    """Return how a command is used.

    Args:
        command: doit's or ours, an object.
    """
    options = [CmdOption(option) for option in command.cmd_options]
    if command.name == "run":
        options = [option for option in options if option.name in _RUN_OPTIONS]
    rows = [(option.help_param(), _meaning(option)) for option in options if option.short or option.long]
    lines = [f"{command.name}: {command.doc_purpose}", "", f"  {program()} {command.name} {command.doc_usage}".rstrip()]
    lines += ["", *_table(rows)] if rows else []
    lines += ["", *wrapped(command.doc_description, "")] if command.doc_description else []
    return "\n".join(lines) + "\n"


def of_task(task: Any) -> str:
    """Return what a task does."""
    lines = [f"{task.name}: {task.doc}", "", f"  {program()} {task.name} [SETTING=VALUE ...]"]
    lines += [
        "",
        f"`{program()} info {task.name}` says what it waits for, `{program()} help run` what options a run has.",
    ]
    return "\n".join(lines) + "\n"


def _meaning(option: CmdOption) -> str:
    text = " ".join(_HELP.get(option.name, option.help % {"default": option.default}).split())
    choices = "; ".join(f"{choice}: {meaning}" if meaning else choice for choice, meaning in option.choices.items())
    return f"{text} ({choices})" if choices else text


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
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
