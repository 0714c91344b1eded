"""What our commands have in common: options, files that people name, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidCommand

from tasks import files
from tasks.session import initial_directory

JSON: dict[str, Any] = {
    "name": "json",
    "short": "",
    "long": "json",
    "type": bool,
    "default": False,
    "help": "print JSON, for programs",
}
"""The option of every command that tells something."""


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
    """Return a command's words with its flags before its arguments, where doit looks for them; people put them last."""
    flags = {f"--{option['long']}" for option in options if option["type"] is bool}
    return sorted(words, key=lambda word: word not in flags)


def options_first(words: list[str], command: str) -> None:
    """Refuse options after the first word that is none; doit takes them for words.

    Raises:
        InvalidCommand: there is one.
    """
    late = next((word for word in words if word.startswith("-")), None)
    if late is not None:
        raise InvalidCommand(f"{late} comes after {words[0]!r}\n  next: write options first: doit {command} {late} …")


def no_arguments(words: list[str], command: str) -> None:
    """Refuse words that the command has no use for.

    Raises:
        InvalidCommand: there are some.
    """
    options_first(words, command)
    if words:
        raise InvalidCommand(f"{command} takes no {words[0]!r}\n  next: `doit help {command}` says what it takes")


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
