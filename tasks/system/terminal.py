"""Streams that people read: what they can show, and what must not reach them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any

from tasks.system.secrets import without_secrets
from tasks.system.text import WIDTH

STYLES = {"good": "32", "bad": "1;31", "change": "36", "faint": "2", "strong": "1"}
"""Styles and their parameters of ANSI's "select graphic rendition" (ECMA-48, 8.3.117)."""

_NARROWEST = 40
_PLAIN_WORDS = str.maketrans({"→": "->", "…": "...", "·": "-"})
_SPELLED = re.compile(r"(?<![\w./-])\./doitw(?![\w/.-])|(?<=`)doit(?= [a-z\"])")


def program() -> str:
    """Return how this program was called: `./doitw`, another path to it, or `doit`."""
    return os.environ.get("DOITW_CALLED") or "doit"


def spelled(text: str) -> str:
    """Return a text whose commands, written `./doitw plan` or `doit plan` in the code, call this program as it was."""
    return _SPELLED.sub(lambda _: program(), text) if "doit" in text else text


def colours(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether to write in colour: to a terminal that has colours, without NO_COLOR (https://no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "") not in {"", "dumb"} and stream.isatty()


def columns(stream: IO[str]) -> int:
    """Return the width of the lines of a text: WIDTH, or that of a narrower terminal."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):  # Not a file, not a terminal, or closed.
        return WIDTH
    return min(found, WIDTH) if found >= _NARROWEST else WIDTH


class Terminal:
    """A stream that people or programs read; NO_COLOR (no-color.org), TERM and CI are read from the environment."""

    def __init__(self, stream: IO[str], environment: Mapping[str, str]) -> None:
        self.stream = stream
        tty = stream.isatty() and environment.get("TERM", "") not in {"", "dumb"}
        self.colour = colours(stream, environment)
        # A CI system may give its jobs a terminal, but keeps its output as a log.
        self.live = tty and environment.get("CI", "").lower() in {"", "false", "0"}

    @property
    def width(self) -> int:
        """The width of the lines of a text."""
        return columns(self.stream)

    @property
    def size(self) -> tuple[int, int]:
        """The columns and rows of the terminal now."""
        try:
            found = os.get_terminal_size(self.stream.fileno())
        except (AttributeError, OSError, ValueError):  # As above.
            return 80, 24
        return found.columns or 80, found.lines or 24  # A terminal whose size was never set reports 0.

    @property
    def unicode(self) -> bool:
        """Whether it shows more than ASCII."""
        return self._encoding.lower().startswith("utf")

    @property
    def _encoding(self) -> str:
        return getattr(self.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> None:
        """Write a text in one piece, in what the stream can encode; ignore that its reader has closed it."""
        text = spelled(without_secrets(text))
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError:
            text = text.translate(_PLAIN_WORDS).encode(self._encoding, "replace").decode(self._encoding)
        try:
            self.stream.write(text)
            self.stream.flush()
        except BrokenPipeError:
            # What is being pushed is worth more than what `head` does not read.
            discard(self.stream)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each; doit's commands use nothing of a stream but this, `write` and `flush`."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: `write` flushes."""

    def paint(self, text: str, style: str) -> str:
        """Return the text in a style, where the terminal has colours."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and text else text


class Guarded:
    """A stream for the output of other code, such as doit and Python's tracebacks, without the secrets in it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without its secrets."""
        return self._stream.write(without_secrets(text))

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream."""
        return getattr(self._stream, name)


def discard(stream: IO[str]) -> None:
    """Send what is written to a stream from now on to /dev/null: its reader has gone, and Python flushes it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
