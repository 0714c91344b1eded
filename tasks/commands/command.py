"""What all commands share: how they start and end, their options and arguments, the files that users name, JSON."""

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
from tasks.graph.load import close, initial_directory
from tasks.run_context import RunContext
from tasks.system import files, processes
from tasks.system.signals import code, ending, interrupts
from tasks.system.terminal import Terminal, discard

SANDBOX = "sandbox"
"""The word that makes the sandbox the target of a command, as it does of a run."""

SOMETHING_TO_DO, SOMETHING_WRONG = 4, 5
"""Exit codes with --exit-code; doit itself uses 1, 2 and 3."""


def flag(name: str, meaning: str) -> dict[str, Any]:
    """Return an option without a value: `--name`."""
    field = name.replace("-", "_")
    return {"name": field, "short": "", "long": name, "type": bool, "default": False, "help": meaning}


def text_option(name: str, what: str, *, short: str = "", choices: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return an option with a text as its value; the text is empty if the option is absent.

    `short` is its letter; `choices` are the allowed texts, each with its meaning, and empty if any text is allowed.
    """
    return {"name": name, "short": short, "long": name, "type": str, "default": "", "help": what, "choices": choices}


JSON = flag("json", "print JSON, for programs")
"""The option of every command that answers a question."""

EXIT_CODE = flag(
    "exit-code",
    f"exit with {SOMETHING_TO_DO} if there is something to do, and with {SOMETHING_WRONG} if an image is blocked or"
    " unknown",
)
"""The option of the commands that show what a run would do."""


def state_code(states: Collection[str]) -> int:
    """Return the exit code for --exit-code, from the states of the images."""
    if FAULTS.intersection(states):
        return SOMETHING_WRONG
    return SOMETHING_TO_DO if TO_DO.intersection(states) else 0


def faults_code(states: Collection[str]) -> int:
    """Return the exit code without --exit-code: 1 if a run would fail for an image, otherwise 0."""
    return 1 if FAULTS.intersection(states) else 0


class Interruptible(DoitCmdBase):
    """A command that a signal ends at once: its children too, without a traceback, with the signal's exit code."""

    outstream: Any
    interrupted = ""
    """The note on standard error after a signal; standard output may be a program's."""

    targets_sandbox = False
    """Whether the word `sandbox` among the arguments makes the sandbox the target."""

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse the words of the command line and run the command."""
        return super().parse_execute(options_first(self.cmdparser, in_args, self.name))

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code, or 128 plus the number of the signal that ended it."""
        if self.targets_sandbox and SANDBOX in args:
            set_var("target", SANDBOX)
        with interrupts() as received:
            ended = 0
            try:
                ended = int(super().execute(params, args) or 0)
                self.outstream.flush()
            except KeyboardInterrupt:
                sys.stderr.write(self.interrupted)
            except BrokenPipeError:
                # The reader closed the pipe, as `head` does.
                discard(self.outstream)
                ended = code(signal.SIGPIPE)
            finally:
                ending()
                processes.stop_all()
                close()
            return code(received[0]) if received else ended

    def say(self, text: str) -> None:
        """Write to the reader, in an encoding that the stream has, as long as the pipe is open."""
        Terminal(self.outstream, os.environ).write(text)


class Reading(Interruptible):
    """A command that answers a question and changes nothing, and therefore needs no lock."""

    execute_tasks = False
    targets_sandbox = True


# The words of the command line


def options_first(parser: CmdParse, words: list[str], command: str) -> list[str]:
    """Return a command's words with its options before its arguments: doit reads them only there.

    Raises:
        InvalidCommand: an option is unknown or ambiguous, or has no value.
    """
    next_step = f"\n  next: `doit help {command}` lists the options"
    own, others = (words[: words.index("--")], words[words.index("--") :]) if "--" in words else (words, [])
    try:
        options, arguments = getopt.gnu_getopt(own, parser.get_short(), parser.get_long())
    except getopt.GetoptError as fault:
        known = [f"--{name.removesuffix('=')}" for name in parser.get_long()]
        guess = did_you_mean(f"--{fault.opt}", known) if "not recognized" in fault.msg else ""
        raise InvalidCommand(f"{command}: {fault.msg}{guess}{next_step}") from None
    first: list[str] = []
    for name, value in options:
        takes_value = parser.get_option(name)[0].type is not bool
        if takes_value and not value:  # An empty variable of a script must not count as an absent option.
            raise InvalidCommand(f"{command}: option {name} has an empty value{next_step}")
        first += [name, value] if takes_value else [name]
    return first + arguments + others


def arguments(words: list[str]) -> list[str]:
    """Return a command's arguments without the word that makes the sandbox the target."""
    return [word for word in words if word != SANDBOX]


def no_arguments(words: list[str], command: str) -> None:
    """Refuse the arguments of a command that takes none.

    Raises:
        InvalidCommand: there is one.
    """
    if unused := arguments(words):
        raise InvalidCommand(f"{command} takes no {unused[0]!r}\n  next: `doit help {command}` shows what it takes")


# The target


def check_sandbox(context: RunContext) -> None:
    """Refuse to ask a sandbox that is not started; a run would start it, a command that reads does not.

    Raises:
        InvalidCommand: the sandbox is the target and is not started.
    """
    if not context.settings.sandbox:
        return
    from sandbox import ecr, registry  # noqa: PLC0415  # Only a command that asks the sandbox pays for it.

    if not (registry.running(context.sandbox) and ecr.moto_running(context.sandbox)):
        raise InvalidCommand("the sandbox is not started\n  next: run `doit sandbox`")


# Files and streams


def located(name: str) -> Path:
    """Return the path of a file that a user named: relative names start at the user's current directory."""
    return initial_directory() / Path(name).expanduser()


def read(name: str) -> str:
    """Return the text of a file that a user named.

    Raises:
        InvalidCommand: it cannot be read, or is not text.
    """
    try:
        return located(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as fault:  # UnicodeDecodeError and a name with a NUL are ValueErrors.
        reason = getattr(fault, "strerror", None) or "it is not text in UTF-8"
        raise InvalidCommand(f"{name} cannot be read: {reason}") from None


def write(name: str, text: str) -> None:
    """Replace the content of a file that a user named.

    Raises:
        InvalidCommand: it cannot be written, or its directory does not exist: the name may be mistyped.
    """
    path = located(name)
    if not path.parent.is_dir():
        raise InvalidCommand(
            f"{name} cannot be written: the directory {path.parent} does not exist\n"
            "  next: create it, or correct the name"
        )
    try:
        files.replace(path, text)
    except OSError as fault:
        raise InvalidCommand(f"{name} cannot be written: {fault.strerror}") from None


def complain(text: str) -> None:
    """Write to standard error what does not belong to the answer that a program reads."""
    Terminal(sys.stderr, os.environ).write(text)


def encoded(value: object) -> str:
    """Return a value as the JSON text that the commands print."""
    return json.dumps(value, indent=2) + "\n"
