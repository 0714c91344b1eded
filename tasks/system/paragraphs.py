"""Folds text into lines of a given width. Pure."""

from __future__ import annotations

import textwrap

WIDTH = 80
"""The widest line that we print, however wide the terminal: the lines end up in logs and messages."""

TOGETHER = "\N{NO-BREAK SPACE}"
"""A space at which `folded` does not break a line; it writes it as an ordinary space."""


def wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """Return a text's lines, each indented and no longer than `width` where its words allow."""
    lines: list[str] = []
    for line in text.splitlines():
        own = indent + line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line.strip(),
            width,
            initial_indent=own,
            subsequent_indent=own,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def folded(line: str, indent: str, width: int = WIDTH) -> list[str]:
    """Return a line as one line where it fits, otherwise as several, with all but the first indented."""
    lines = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(TOGETHER, " ") for line in lines]
