"""Whether a server listens on this machine, and answers."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from tasks.errors import EngineError

_ASK_SECONDS = 2.0


def taken(port: int) -> bool:
    """Return whether a program listens on a port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as plain:
        plain.settimeout(_ASK_SECONDS)
        return plain.connect_ex(("127.0.0.1", port)) == 0


def listens(path: Path) -> bool:
    """Return whether a program listens on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
        plain.settimeout(_ASK_SECONDS)
        return plain.connect_ex(str(path)) == 0


def check_free(port: int, what: str, variable: str) -> None:
    """Check that no program listens on a port.

    Raises:
        EngineError: a program does; the next step names the variable that chooses another port.
    """
    if taken(port):
        raise EngineError(
            f"another program listens on 127.0.0.1:{port}, the port of {what}",
            f"end that program, or choose another port with {variable}",
        )


def status(port: int, path: str) -> int | None:
    """Return the HTTP status of a GET; None if no server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
