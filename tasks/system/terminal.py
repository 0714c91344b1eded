"""Where lines go, and what can be shown there."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import IO, Any

from tasks.system import files
from tasks.system.invocation import spelled
from tasks.system.paragraphs import WIDTH
from tasks.system.secrets import without_secrets

STYLES = {"good": "32", "bad": "1;31", "change": "36", "faint": "2", "strong": "1"}
"""ANSI's select graphic rendition (ECMA-48, 8.3.117) by what is meant."""

# Sequences first (ECMA-48, 5.4: CSI; xterm's OSC), then every control character that is left but line breaks and tabs.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_NARROWEST = 40
_PLAIN_WORDS = str.maketrans({"→": "->", "…": "...", "·": "-"})


def colours(stream: IO[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether to write to the stream in colour: a terminal that has some, and no NO_COLOR (https://no-color.org)."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "") not in {"", "dumb"} and stream.isatty()


def columns(stream: IO[str]) -> int:
    """Return how wide the lines of a text are to be: narrower than `WIDTH` where a terminal is."""
    try:
        found = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):  # No file, no terminal, or closed.
        return WIDTH
    return min(found, WIDTH) if found >= _NARROWEST else WIDTH


class Terminal:
    """A stream that people read, or a program.

    Args:
        stream: where to write.
        environment: NO_COLOR (no-color.org), TERM and CI are read from it.
    """

    def __init__(self, stream: IO[str], environment: Mapping[str, str]) -> None:
        self._stream = stream
        tty = stream.isatty() and environment.get("TERM", "") not in {"", "dumb"}
        self.colour = colours(stream, environment)
        # A CI system may give its jobs a terminal, but keeps what is written to it as a log.
        self.live = tty and environment.get("CI", "").lower() in {"", "false", "0"}

    @property
    def stream(self) -> IO[str]:
        """The stream."""
        return self._stream

    @property
    def width(self) -> int:
        """How wide lines are to be."""
        return columns(self._stream)

    @property
    def size(self) -> tuple[int, int]:
        """How many columns and rows the terminal has now."""
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except (AttributeError, OSError, ValueError):  # As above.
            return 80, 24
        return found.columns or 80, found.lines or 24  # A terminal that nobody told its size says 0.

    @property
    def unicode(self) -> bool:
        """Whether it shows more than ASCII."""
        return (getattr(self._stream, "encoding", None) or "utf-8").lower().startswith("utf")

    def write(self, text: str) -> None:
        """Write text as one piece, in whatever the stream can encode; a reader that has gone misses it."""
        text = spelled(without_secrets(text))
        encoding = self._stream.encoding or "utf-8" if hasattr(self._stream, "encoding") else "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.translate(_PLAIN_WORDS).encode(encoding, "replace").decode(encoding)
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            # Whoever read our lines has ended; what is being pushed is worth more.
            files.discard(self._stream)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each; with `write` and `flush`, all that doit's commands ask of a stream."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is kept back."""

    def paint(self, text: str, style: str) -> str:
        """Return the text in a style, if there is colour."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and text else text


class Guarded:
    """A stream that other code writes to, such as doit's and Python's own tracebacks, less the secrets they quote."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text without secrets."""
        return self._stream.write(without_secrets(text))

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the stream has."""
        return getattr(self._stream, name)


def printable(text: str) -> str:
    """Return others' text without what would steer a terminal: builds print whatever they like."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def width(text: str) -> int:
    """Return how many columns a text takes (Unicode's UAX 11); it holds no control characters."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def clipped(text: str, columns: int, *, ascii_only: bool = False) -> str:
    """Return a text as it is where it fits, else its beginning and what says that there is more."""
    if width(text) <= columns:
        return text
    more = "" if ascii_only else "…"
    kept, left = "", columns - len(more)
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return kept + more if columns > 0 else ""


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
