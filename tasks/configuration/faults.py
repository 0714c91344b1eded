"""The faults of a configuration file, each with its place, told all at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import CatalogueError

_SHOWN_FAULTS = 25
"""More than these do not fit a screen, and the first are enough to begin with."""


@dataclass
class Faults:
    """The faults of one file.

    Attributes:
        path: the file, as messages name it.
    """

    path: Path
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, text: str) -> None:
        """Note a fault of one line."""
        self._found.append((line, text))

    def check(self, next_step: str) -> None:
        """Return where there are none; raise one CatalogueError with all of them, a line each, where there are."""
        if not self._found:
            return
        lines = [f"{shown(self.path)}:{line}: {text}" for line, text in sorted(set(self._found))]
        more = len(lines) - _SHOWN_FAULTS
        if more > 0:
            lines[_SHOWN_FAULTS:] = [f"and {more} more like these"]
        raise CatalogueError("\n".join(lines), next_step)


def shown(path: Path) -> str:
    """Return the shortest spelling of a path that one can paste: below here without what leads here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
