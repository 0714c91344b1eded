"""What our commands have in common: their options, the files that people name, JSON."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from doit.cmd_base import DoitCmdBase
from doit.doit_cmd import set_var
from doit.exceptions import InvalidCommand

from tasks import files
from tasks.composition import initial_directory
from tasks.session import close
from tasks.signals import code, interrupts

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


class Interruptible(DoitCmdBase):
    """A command that a signal ends as it ends a run: at once, without a traceback, and the exit code tells."""

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command; return its exit code, or 128 and a signal's number where that ended it."""
        with interrupts() as received:
            try:
                ended = int(super().execute(params, args) or 0)
                self.outstream.flush()
            except KeyboardInterrupt:
                return code(received[0])
            except BrokenPipeError:
                # Whoever read it has seen enough, as `head` has.
                files.discard(self.outstream)
                return code(signal.SIGPIPE)
            finally:
                close()
        return ended


class Reading(Interruptible):
    """A command that tells something and changes nothing, so that it needs no lock."""

    execute_tasks = False

    def parse_execute(self, in_args: list[str]) -> Any:
        """Parse the words of the command line and run the command."""
        return super().parse_execute(flags_first(in_args, self.cmd_options))

    def execute(self, params: Any, args: list[str]) -> int:
        """Run the command, for the sandbox where that is among its words; return its exit code."""
        if SANDBOX in args:
            set_var("target", SANDBOX)
        return super().execute(params, args)


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


def flags_first(words: list[str], options: tuple[dict[str, Any], ...]) -> list[str]:
    """Return a command's words with its options before its arguments, where doit looks; people put them last."""
    takes_value = {
        name: option["type"] is not bool
        for option in options
        # doit's own options leave out what they do not have.
        for name in (f"--{option.get('long', '')}", f"-{option.get('short', '')}")
        if name.strip("-")
    }
    first: list[str] = []
    others: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, _ = word.partition("=")
        if name in takes_value:
            first.append(word)
            first += [next(left, "")] if takes_value[name] and not equals else []
        else:
            others.append(word)
    return first + others


def no_arguments(words: list[str], command: str) -> None:
    """Refuse words that the command has no use for.

    Raises:
        InvalidCommand: there are some.
    """
    unused = [word for word in words if word != SANDBOX]
    if unused:
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
        InvalidCommand: it could not be written.
    """
    try:
        files.replace(located(name), text)
    except OSError as fault:
        raise InvalidCommand(f"{name} cannot be written: {fault.strerror}") from None


def encoded(value: object) -> str:
    """Return a value as the JSON text that our commands print."""
    return json.dumps(value, indent=2) + "\n"
