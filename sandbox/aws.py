"""The sandbox's STS, and the half of ECR that knows repositories: moto's server, a process of its own on a socket.

It forgets everything when it stops; `sandbox.front` tells it again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.layout import Sandbox
from sandbox.loopback import listens
from sandbox.private import make_private
from sandbox.process import Server

ANSWER_SECONDS = 60.0
"""How long moto may take to start; it takes one or two seconds, most of them imports."""


def address(sandbox: Sandbox) -> str:
    """Return where it listens."""
    return f"unix://{_socket(sandbox)}"


def running(sandbox: Sandbox) -> bool:
    """Return whether it runs; whether it answers is seen through what is in front of it."""
    return _server(sandbox).pid() is not None


def start(sandbox: Sandbox) -> None:
    """Start it.

    Raises:
        EngineError: it does not start.
    """
    make_private(sandbox.runtime)
    _socket(sandbox).unlink(missing_ok=True)
    # -P: nothing is imported from wherever we stand. The port is not used, and would be made of MOTO_PORT.
    command = [sys.executable, "-P", "-m", "moto.server", "--host", address(sandbox), "--port", "0"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    server = _server(sandbox)
    server.start(command, sandbox.environment(kept))
    server.await_answer(lambda: listens(_socket(sandbox)), ANSWER_SECONDS)


def stop(sandbox: Sandbox) -> None:
    """Stop it.

    Raises:
        EngineError: it belongs to another user.
    """
    _server(sandbox).stop()
    _socket(sandbox).unlink(missing_ok=True)


def _server(sandbox: Sandbox) -> Server:
    return Server("aws", sandbox.state, sandbox.logs)


def _socket(sandbox: Sandbox) -> Path:
    return sandbox.runtime / "aws.sock"
