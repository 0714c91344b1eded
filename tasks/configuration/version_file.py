"""The version that Sleeper's Maven build writes down for its scripts."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import SettingsError
from tasks.reference import check_version

PLACE = "templates/version.txt"
"""Where the file is below SCRIPTS_DIR."""

_LONGEST = 4096


def read(scripts_dir: Path) -> str | None:
    """Return the first line of version.txt, or None where there is no such file.

    Raises:
        SettingsError: it is there and cannot be read, or its first line cannot be a tag.
    """
    path = scripts_dir / PLACE
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise SettingsError(f"{path} cannot be read: {reason}", "make it readable, or set VERSION") from fault
    try:
        return check_version(first)
    except SettingsError as fault:
        raise SettingsError(f"{path}:1: {fault.message}", "run Sleeper's Maven build again, or set VERSION") from None
