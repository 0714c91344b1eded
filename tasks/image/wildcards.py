"""Patterns of many wildcards, matched in a time that grows with the path's length and theirs, and no faster.

Python's regular expressions try one way after another: a pattern of thirty wildcards that does not match a name of two
hundred letters keeps them busy for ever. BuildKit's (Go's) follow all ways at once, and so does this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

WITHIN, DIRECTORIES, REST = "[^/]*", "(?:.*/)?", ".*"
"""The parts of an expression that match any number of characters: `*`, `**/` and `**` at the end."""

OPEN = frozenset({WITHIN, DIRECTORIES, REST})

MOST = 2
"""How many of them are left to regular expressions, whose time is the path's length to the power of their number."""

_START = "^"


class Pattern:
    """A regular expression of simple parts.

    A state is the number of the part that comes next; its complement is "in the directories that this part skips".

    Args:
        parts: those above, `^`, and expressions of one character each.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._singles = {part: re.compile(part) for part in parts if part not in OPEN and part != _START}

    def matches(self, path: str) -> bool:
        """Whether the expression matches the whole of `path`."""
        states = self._closed({0}, start=True)
        for character in path:
            states = self._closed({found for state in states for found in self._after(state, character)}, start=False)
        return len(self._parts) in states

    def _closed(self, states: set[int], *, start: bool) -> set[int]:
        """Add the states that are reached without a character."""
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            part = self._part(state) if state >= 0 else ""
            if (part in OPEN or (part == _START and start)) and state + 1 not in states:
                states.add(state + 1)
                waiting.append(state + 1)
        return states

    def _after(self, state: int, character: str) -> Iterator[int]:
        part = self._part(state)
        if part == DIRECTORIES:
            yield from self._skipped(state if state >= 0 else ~state, character)
        elif part == WITHIN:
            if character != "/":
                yield state
        elif part == REST:
            # A dot is any character but a line break.
            if character != "\n":
                yield state
        elif part in self._singles and self._singles[part].fullmatch(character):
            yield state + 1

    @staticmethod
    def _skipped(number: int, character: str) -> Iterator[int]:
        if character != "\n":
            yield ~number
        if character == "/":
            yield number + 1

    def _part(self, state: int) -> str:
        number = state if state >= 0 else ~state
        return self._parts[number] if number < len(self._parts) else ""
