"""How times, states and paragraphs are written for people."""

from __future__ import annotations

import textwrap
from datetime import datetime

WIDTH = 80
"""How wide what we print is at most, however wide the terminal: it ends up in logs and messages."""

TOGETHER = "\N{NO-BREAK SPACE}"
"""A space at which `folded` breaks no line, and which it writes as any other."""

_MINUTE, _HOUR, _DAY, _TWO_YEARS = 60, 3600, 86400, 730 * 86400

_COLOURS = {"current": "32", "retag": "36", "build": "33", "blocked": "31", "unknown": "35"}
"""ANSI's numbers for the states of `tasks.decision.state`: the terminal's own palette, light or dark."""


def coloured(text: str, state: str, *, colour: bool) -> str:
    """Return a text in its state's colour, if there is to be colour."""
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if colour and state in _COLOURS else text


def age(at: datetime, now: datetime) -> str:
    """Return how long something is ago, in at most four characters: 40s, 12m, 5h, 300d, 3y."""
    seconds = max(0, int((now - at).total_seconds()))
    for limit, unit, name in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "m"), (_DAY, _HOUR, "h"), (_TWO_YEARS, _DAY, "d")):
        if seconds < limit:
            return f"{seconds // unit}{name}"
    return f"{seconds // (365 * _DAY)}y"


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
    """Return a line as it is where it fits, else in several, of which all but the first are indented."""
    lines = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(TOGETHER, " ") for line in lines]


def short_platforms(platforms: tuple[str, ...]) -> str:
    """Return platforms without `linux/`, which all of Sleeper's images are for."""
    return ",".join(platform.removeprefix("linux/") for platform in platforms)
