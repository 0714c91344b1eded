"""Asking a server on this machine whether it is there."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from tasks.errors import EngineError

_ASK_SECONDS = 2.0


def taken(port: int) -> bool:
    """Return whether something listens at a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as plain:
        plain.settimeout(_ASK_SECONDS)
        return plain.connect_ex(("127.0.0.1", port)) == 0


def listens(path: Path) -> bool:
    """Return whether something listens at a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        plain.settimeout(_ASK_SECONDS)
        return plain.connect_ex(str(path)) == 0


def check_free(port: int, what: str, variable: str) -> None:
    """Refuse a port that another program listens at.

    Raises:
        EngineError: it is taken; the text names the variable that chooses another.
    """
    if taken(port):
        raise EngineError(
            f"another program listens at 127.0.0.1:{port}, where {what} is to be",
            f"end it, or choose another port with {variable}",
        )


def status(port: int, path: str) -> int | None:
    """Return the HTTP status that a GET answers, or None where nobody does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
