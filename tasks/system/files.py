"""Files that are complete or absent, and untouched if their content stays the same."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(path: Path, text: str) -> bool:
    """Replace a file's content atomically: readers see the old content or the new one.

    Args:
        path: the file. A missing directory is created, a symbolic link is followed, permissions are kept.
        text: the new content, written in UTF-8.

    Returns:
        Whether the content has changed.

    Raises:
        OSError: the file could not be written; the old content is still there.
    """
    path = path.resolve()
    content = text.encode()
    mode = None
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return False
        mode = path.stat().st_mode & 0o7777
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # A new file in any case: an existing one could be a link to another file.
        scratch.unlink(missing_ok=True)
        with scratch.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            scratch.chmod(mode)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return True
