"""Files for people that are whole or absent: replaced at once, and left alone where nothing in them changes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace(path: Path, text: str) -> bool:
    """Replace a file's content, so that a reader finds the old or the new and never a part of one.

    Args:
        path: the file; its directory is made where it is missing, a link is followed, its permissions stay.
        text: the content, written in UTF-8.

    Returns:
        Whether the content was another before.

    Raises:
        OSError: it could not be written; the old content is still there.
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
        # Made anew, so that nothing that lies there, a link to another file say, is written through.
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
