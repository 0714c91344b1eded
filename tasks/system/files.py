"""What people read: files that are whole or absent, and left alone where nothing in them changes; a stream's end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO


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


def discard(stream: IO[str]) -> None:
    """Have what is written to a stream from now on go nowhere: nobody reads it, and Python flushes it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
