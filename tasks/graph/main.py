"""The command line as a whole: what every command shares, and what doit itself would print about its own insides.

words ─▶ -h, --help, --version ─▶ told
└▶ doit's own dispatch ─▶ a command ─▶ its exit code; faults of the command line in a line, exit code 3
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

from tasks.graph import usage
from tasks.graph.composition import PROJECT
from tasks.graph.options import asks_help
from tasks.system.signals import code, received
from tasks.system.terminal import Terminal, program

NOTHING_RAN = 3
"""The exit code where the command line, a setting or a bug kept everything from being run."""

_HIDDEN = ("strace", "tabcompletion")
"""doit's commands that do not work here: one traces files that no task of ours declares, one completes `doit` alone."""


def _enter_checkout() -> None:
    """Go to the checkout, as doitw does, wherever `doit` was called: doit would look for a dodo.py there."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        here = PROJECT  # The directory was removed; names of files cannot be meant.
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
        for name in _HIDDEN:
            found.pop(name, None)
        return found

    def run(self, all_args: list[str]) -> int:
        """Run the words of a command line; return the exit code."""
        try:
            return self._run(all_args)
        except (CmdParseError, InvalidCommand, InvalidDodoFile, InvalidTask) as fault:
            # doit lists all its option objects behind this.
            text = str(fault).partition(" (parsing options:")[0]
            Terminal(sys.stderr, os.environ).write(f"ERROR: {text}\n")
        except KeyboardInterrupt:
            return code(received[0]) if received else code(2)
        except Exception:  # noqa: BLE001  # A bug keeps its traceback, and ends as doit has it end.
            sys.stderr.write(traceback.format_exc())
        return NOTHING_RAN

    def _run(self, words: list[str]) -> int:
        commands = self.get_cmds()
        first = words[0] if words else ""
        if first == "--version":
            Terminal(sys.stdout, os.environ).write(usage.version())
            return 0
        if "" in words:
            raise InvalidCommand(
                "there is an empty word on the command line\n"
                "  next: leave it out, or see which variable of the script is empty"
            )
        if first in {"-h", "--help"} or (first not in commands and asks_help(words)):
            words = ["help", *(word for word in words if word not in {"-h", "--help"})]
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
