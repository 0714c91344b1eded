"""What our commands have in common: their options, the files that people name, JSON."""

from __future__ import annotations

import getopt
import json
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.cmdparse import CmdParse
from doit.doit_cmd import set_var
from doit.exceptions import InvalidCommand

from tasks.configuration.faults import did_you_mean
from tasks.decision import FAULTS, TO_DO
from tasks.graph import usage
from tasks.graph.composition import close, initial_directory
from tasks.graph.ledger import read_only
from tasks.system import files
from tasks.system.signals import code, ending, interrupts
from tasks.system.terminal import Terminal, discard

SANDBOX = "sandbox"
"""The word that makes the sandbox the target, as it does for a run."""

JSON: dict[str, Any] = {
    "name": "json",
    "short": "",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "print JSON, for programs",
}
"""The option of every command that tells something."""

SOMETHING_TO_DO, SOMETHING_WRONG = 4, 5
"""Exit codes with --exit-code; doit itself has 1, 2 and 3."""

EXIT_CODE: dict[str, Any] = {
    "name": "exit_code",
    "short": "",
    "long": "exit-code",
    "type": bool,
    "default": False,
    "help": f"end with {SOMETHING_TO_DO} if there is something to do, and with {SOMETHING_WRONG} if an image is"
    " blocked or unknown",
}
"""The option of the commands that say what a run would do."""


def state_code(states: Collection[str]) -> int:
    """Return the exit code that --exit-code asks for, by the states of the images."""
    if FAULTS.intersection(states):
        return SOMETHING_WRONG
    return SOMETHING_TO_DO if TO_DO.intersection(states) else 0


def faults_code(states: Collection[str]) -> int:
    """Return the exit code without --exit-code: 1 where a run would fail for an image, 0 where it would not."""
    return 1 if FAULTS.intersection(states) else 0


class Interruptible(DoitCmdBase):
    """A command that a signal ends as it ends a run: at once, without a traceback, and the exit code tells."""

    outstream: Any

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse the words of the command line and run the command, or show its help."""
        if asks_help(in_args):
            Terminal(self.outstream, os.environ).write(usage.of_command(self))
            return 0
        return super().parse_execute(options_first(self.cmdparser, in_args, self.name))

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code, or 128 and a signal's number where that ended it."""
        with interrupts() as received:
            ended = 0
            try:
                ended = int(super().execute(params, args) or 0)
                self.outstream.flush()
            except KeyboardInterrupt:
                pass
            except BrokenPipeError:
                # Whoever read it has seen enough, as `head` has.
                discard(self.outstream)
                ended = code(signal.SIGPIPE)
            finally:
                ending()
                close()
            return code(received[0]) if received else ended


class Changing(Interruptible):
    """A command that changes something: all of it, whether or not somebody still reads what it says."""

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code."""
        stream: Any = Terminal(self.outstream, os.environ)
        self.outstream = stream
        return super().execute(params, args)


class Reading(Interruptible):
    """A command that tells something and changes nothing, so that it needs no lock."""

    execute_tasks = False

    def say(self, text: str) -> None:
        """Write to whoever reads us, in an encoding that they have, and as long as they read."""
        Terminal(self.outstream, os.environ).write(text)

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command, for the sandbox where that is among its words; return its exit code."""
        if SANDBOX in args:
            set_var("target", SANDBOX)
        read_only()
        return super().execute(params, args)


def asks_help(words: list[str]) -> bool:
    """Return whether the words ask how something is used; what follows `--` is somebody else's."""
    own = words[: words.index("--")] if "--" in words else words
    return not {"-h", "--help"}.isdisjoint(own)


def text_option(name: str, what: str, *, short: str = "", choices: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return an option that takes a text; empty where it is not given.

    Args:
        name: its name on the command line, after the two dashes.
        what: what it does, for doit's help.
        short: one letter.
        choices: the texts it may have, each with what it means; any where there are none.
    """
    return {
        "name": name,
        "short": short,
        "long": name,
        "type": str,
        "default": "",
        "help": what,
        "choices": choices,
    }


def options_first(parser: CmdParse, words: list[str], command: str) -> list[str]:
    """Return a command's words with its options before its arguments, where doit looks; people put them last.

    Args:
        parser: doit's, which knows the command's options.
        words: those of the command line.
        command: its name, for errors.

    Raises:
        InvalidCommand: an option is unknown or ambiguous, or lacks its value.
    """
    next_step = f"\n  next: `doit help {command}` lists the options"
    own, others = (words[: words.index("--")], words[words.index("--") :]) if "--" in words else (words, [])
    try:
        options, arguments = getopt.gnu_getopt(own, parser.get_short(), parser.get_long())
    except getopt.GetoptError as fault:
        guess = did_you_mean(f"--{fault.opt}", _long(parser)) if "not recognized" in fault.msg else ""
        raise InvalidCommand(f"{command}: {fault.msg}{guess}{next_step}") from None
    first: list[str] = []
    for name, value in options:
        takes_value = parser.get_option(name)[0].type is not bool
        if takes_value and not value:  # An empty variable in a script, which must not pass for no option at all.
            raise InvalidCommand(f"{command}: option {name} has an empty value{next_step}")
        first += [name, value] if takes_value else [name]
    return first + arguments + others


def _long(parser: CmdParse) -> list[str]:
    return [f"--{name.removesuffix('=')}" for name in parser.get_long()]


def arguments(words: list[str]) -> list[str]:
    """Return a command's arguments without the word that makes the sandbox the target."""
    return [word for word in words if word != SANDBOX]


def no_arguments(words: list[str], command: str) -> None:
    """Refuse words that the command has no use for.

    Raises:
        InvalidCommand: there are some.
    """
    if unused := arguments(words):
        raise InvalidCommand(f"{command} takes no {unused[0]!r}\n  next: `doit help {command}` says what it takes")


def located(name: str) -> Path:
    """Return a path that somebody gave: relative ones start where they called us."""
    return initial_directory() / Path(name).expanduser()


def read(name: str) -> str:
    """Return the text of a file that somebody named.

    Raises:
        InvalidCommand: it cannot be read, or is no text.
    """
    try:
        return located(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as fault:  # UnicodeDecodeError is a ValueError, and so is a name with a NUL in it.
        reason = getattr(fault, "strerror", None) or "it is no text in UTF-8"
        raise InvalidCommand(f"{name} cannot be read: {reason}") from None


def write(name: str, text: str) -> None:
    """Replace the content of a file that somebody named.

    Raises:
        InvalidCommand: it could not be written, or its directory is not there: a name may be mistyped.
    """
    path = located(name)
    if not path.parent.is_dir():
        raise InvalidCommand(f"{name} cannot be written: there is no directory {path.parent}\n  next: make it")
    try:
        files.replace(path, text)
    except OSError as fault:
        raise InvalidCommand(f"{name} cannot be written: {fault.strerror}") from None


def complain(text: str) -> None:
    """Write to standard error what is not the answer that a program reads."""
    Terminal(sys.stderr, os.environ).write(text)


def encoded(value: object) -> str:
    """Return a value as the JSON text that our commands print."""
    return json.dumps(value, indent=2) + "\n"
