"""How times, states and platforms are written for people."""

from __future__ import annotations

from datetime import datetime

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


def short_platforms(platforms: tuple[str, ...]) -> str:
    """Return platforms without `linux/`, which all of Sleeper's images are for."""
    return ",".join(platform.removeprefix("linux/") for platform in platforms)
