"""The one "did you mean": what a person probably wanted to type."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable

_LONGEST = 100
"""Longer words are no typing mistakes, and comparing them takes time."""


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` most resembles, whatever the case, or None where none comes near."""
    from difflib import get_close_matches  # noqa: PLC0415  # Only a fault needs it, so only a fault pays for it.

    if len(word) > _LONGEST:
        return None
    spelled = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), spelled, n=1)
    return spelled[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` to end a message with, or nothing."""
    match = closest(word, known)
    return f"; did you mean '{match}'?" if match else ""


def did_you_mean_pattern(pattern: str, known: Collection[str]) -> str:
    """Return `; did you mean 'x*'?` for a pattern that matches none of `known`, or nothing.

    Each word of the pattern that no name has becomes the one that it most resembles.
    """
    if len(pattern) > _LONGEST:
        return ""
    words = {word for name in known for word in re.split(r"[-:_]", name)}
    parts = re.split(r"([-:_*])", pattern)
    guess = "".join(part if part in words else (closest(part, words) or part) for part in parts)
    return f"; did you mean '{guess}'?" if guess != pattern and fnmatch.filter(known, guess) else ""
