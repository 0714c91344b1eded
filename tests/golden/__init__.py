"""What people see, whole: each file beside this one is what a command printed, and has to print again.

Where a change is meant, write the files anew with `GOLDEN=write pytest …` and look at what git shows.
"""

from __future__ import annotations

import os
from pathlib import Path

_HERE = Path(__file__).parent


def check(name: str, text: str) -> None:
    """Compare a text with the file of that name."""
    path = _HERE / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text)
    assert path.read_text() == text
