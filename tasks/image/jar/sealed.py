"""Cache files that are whole or absent: replaced at once, and checked by a digest when read.

A cache saves time and nothing else. So one that is damaged, of another make or unreadable is an empty one, and one
that cannot be written is left as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path


def read(path: Path, make: str) -> bytes:
    """Return what `write` put into the file at `path`, or nothing where that cannot be had.

    Args:
        path: the file.
        make: the name and number of what it holds; a file of another make is not read.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return b""
    head = len(_head(make, b""))
    body = content[head:]
    return body if content[:head] == _head(make, body) else b""


def write(path: Path, make: str, body: bytes) -> bool:
    """Replace the file at `path`, so that a reader finds the old content or the new; return whether it could be."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(_head(make, body) + body)
        scratch.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        return False
    return True


def _head(make: str, body: bytes) -> bytes:
    return f"{make} {hashlib.sha256(body).hexdigest()}\n".encode()
