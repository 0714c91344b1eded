"""What a message about a configuration says: the place of each fault, and the known word nearest to an unknown one."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import CatalogueError

_SHOWN_FAULTS = 25
"""More do not fit on a screen."""

_LONGEST_WORD = 100
"""A longer word is not a typing mistake, and comparing it takes time."""


@dataclass
class Faults:
    """The faults of one file, reported together."""

    path: Path
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Add a fault of one line."""
        self._found.append((line, text))

    def check(self, next_step: str) -> None:
        """Raise one CatalogueError with all faults, one a line, sorted by line; do nothing if there are none."""
        if not self._found:
            return
        lines = [f"{shown(self.path)}:{line}: {text}" for line, text in sorted(set(self._found))]
        more = len(lines) - _SHOWN_FAULTS
        if more > 0:
            lines[_SHOWN_FAULTS:] = [f"and {more} more"]
        raise CatalogueError("\n".join(lines), next_step)


def shown(path: Path) -> str:
    """Return a path that can be pasted: relative to the current directory if the path is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def reason(fault: OSError | ValueError) -> str:
    """Return why a file cannot be read, in the operating system's words."""
    return getattr(fault, "strerror", None) or str(fault)


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word most like `word`, ignoring case; None if none is similar."""
    from difflib import get_close_matches  # noqa: PLC0415  # Slow to import, and only needed for a fault.

    if len(word) > _LONGEST_WORD:
        return None
    spelled = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), spelled, n=1)
    return spelled[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the end of a message, or an empty string."""
    match = closest(word, known)
    return f"; did you mean '{match}'?" if match else ""


def did_you_mean_pattern(pattern: str, known: Collection[str]) -> str:
    """Return `; did you mean 'x*'?` for a pattern that matches nothing in `known`, or an empty string.

    Each word of the pattern that is not a word of a known name is replaced by the most similar one.
    """
    if len(pattern) > _LONGEST_WORD:
        return ""
    words = {word for name in known for word in re.split(r"[-:_]", name)}
    parts = re.split(r"([-:_*])", pattern)
    guess = "".join(part if part in words else (closest(part, words) or part) for part in parts)
    return f"; did you mean '{guess}'?" if guess != pattern and fnmatch.filter(known, guess) else ""
