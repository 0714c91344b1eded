"""The one "did you mean": what a person probably wanted to type."""

from __future__ import annotations

from collections.abc import Iterable

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
