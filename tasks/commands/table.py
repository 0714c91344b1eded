"""What the texts of several commands share: aligned columns, ages, platforms, the colours of states. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

_MINUTE, _HOUR, _DAY, _TWO_YEARS = 60, 3600, 86400, 730 * 86400

_COLOURS = {"current": "32", "retag": "36", "build": "33", "blocked": "31", "unknown": "35"}
"""ANSI colour numbers of `tasks.decision.STATES`: the terminal's own palette, light or dark."""


def aligned(rows: Sequence[Sequence[str]], *, indent: str = "", right: Collection[int] = ()) -> list[str]:
    """Return a line for each row, with the cells of a column below each other.

    All rows have the same number of cells. `right` has the numbers of the columns that are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent
        + "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def coloured(text: str, state: str, *, colour: bool) -> str:
    """Return a text in the colour of its state, or unchanged without `colour`."""
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if colour and state in _COLOURS else text


def age(at: datetime, now: datetime) -> str:
    """Return the time from `at` to `now` in at most four characters: 40s, 12m, 5h, 300d, 3y."""
    seconds = max(0, int((now - at).total_seconds()))
    for limit, unit, name in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "m"), (_DAY, _HOUR, "h"), (_TWO_YEARS, _DAY, "d")):
        if seconds < limit:
            return f"{seconds // unit}{name}"
    return f"{seconds // (365 * _DAY)}y"


def short_platforms(platforms: tuple[str, ...]) -> str:
    """Return platforms without `linux/`, which every image of Sleeper has."""
    return ",".join(platform.removeprefix("linux/") for platform in platforms)
