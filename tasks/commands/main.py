"""The command line as a whole.

words ─▶ --version, -h, --help ─▶ answered here
└▶ doit's dispatch ─▶ a command ─▶ its exit code; an error of ours or of the command line: its text, and exit code 3
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from doit.cmd_base import get_loader
from doit.cmdparse import CmdOption, CmdParse, CmdParseError
from doit.doit_cmd import DoitMain
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

from tasks.commands import help as help_command
from tasks.errors import SleeperImagesError
from tasks.graph.load import PROJECT
from tasks.system.signals import code, received
from tasks.system.terminal import Terminal, program

NOTHING_RAN = 3
"""The exit code if the command line, a setting or a bug kept everything from running."""

_HIDDEN = ("strace", "tabcompletion")
"""doit's commands that do not work here: no task declares files to trace, and completion works for `doit` only."""

_WITHOUT_STATE = ("dumpdb", "forget", "ignore", "reset-dep")
"""doit's commands about the state that it keeps between runs; decision 0028 explains why it keeps none here."""


def _enter_checkout() -> None:
    """Go to the checkout, as doitw does: doit looks for dodo.py in the current directory."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        here = PROJECT  # The directory was removed, so relative names of files cannot be meant.
    if here != PROJECT:
        os.environ["DOITW_CWD"] = str(here)
        os.chdir(PROJECT)


class Main(DoitMain):
    """doit, for this project."""

    BIN_NAME = program()

    def __init__(self) -> None:
        _enter_checkout()
        super().__init__()

    def get_cmds(self) -> Any:
        """Return the commands by name."""
        found = super().get_cmds()
        for name in (*_HIDDEN, *_WITHOUT_STATE):
            found.pop(name, None)
        return found

    def run(self, all_args: list[str]) -> int:
        """Run the words of a command line; return the exit code."""
        try:
            return self._run(all_args)
        except (CmdParseError, InvalidCommand, InvalidDodoFile, InvalidTask, SleeperImagesError) as fault:
            # doit appends all its option objects to the message.
            text = str(fault).partition(" (parsing options:")[0]
            Terminal(sys.stderr, os.environ).write(f"ERROR: {text}\n")
        except KeyboardInterrupt:
            return code(received[0]) if received else code(2)
        except Exception:  # noqa: BLE001  # A bug keeps its traceback, and exits as in doit.
            sys.stderr.write(traceback.format_exc())
        return NOTHING_RAN

    def _run(self, words: list[str]) -> int:
        commands = self.get_cmds()
        if words[:1] == ["--version"]:
            Terminal(sys.stdout, os.environ).write(help_command.version())
            return 0
        _check(words)
        if help_command.asks_help(words):
            others = [word for word in words if word not in {"-h", "--help"}]
            words = ["help", *(others[:1] if words[0] in commands else others)]
        loader = get_loader(self.config, self.task_loader, commands)
        try:
            # doit's own options may stand before the command: -f FILE, -d DIRECTORY.
            options, words = CmdParse([CmdOption(option) for option in loader.cmd_options]).parse_only(words)
        except CmdParseError:
            options = {}
        words = self.process_args(words)
        name = words.pop(0) if words and words[0] in commands else "run"
        command = commands.get_plugin(name)(
            task_loader=loader, config=self.config, bin_name=self.BIN_NAME, cmds=commands, opt_vals=options
        )
        return int(command.parse_execute(words) or 0)


def _check(words: list[str]) -> None:
    """Refuse an empty word, and a command that doit has and this project does not.

    Raises:
        InvalidCommand: there is one.
    """
    if "" in words:
        raise InvalidCommand(
            "a word of the command line is empty\n"
            "  next: leave it out; in a script, check which of its variables is empty"
        )
    asked = words[1:2] if words[:1] == ["help"] else words[:1]
    for name in asked:
        if name in _WITHOUT_STATE:
            raise InvalidCommand(
                f"`{name}` has no effect here: the registry decides what is up to date, and doit keeps no state\n"
                "  next: `doit plan` shows what a run would do, force=true builds again, images=NAME,... narrows a run"
            )
