"""The sandbox's ECR and STS: moto's server, a process of its own on loopback. It forgets everything when it stops."""

from __future__ import annotations

import http
import os
import sys

from sandbox.layout import API_PORT_VARIABLE, Sandbox
from sandbox.loopback import check_free, status
from sandbox.process import Server

ANSWER_SECONDS = 60.0
"""How long moto may take to start; it takes one or two seconds, most of them imports."""


def running(sandbox: Sandbox) -> bool:
    """Return whether the API runs and answers."""
    return _server(sandbox).pid() is not None and _answers(sandbox)


def start(sandbox: Sandbox) -> None:
    """Start the API if it does not run.

    Raises:
        EngineError: its port is taken, or it does not start.
    """
    if running(sandbox):
        return
    server = _server(sandbox)
    server.stop()
    check_free(sandbox.api_port, "the sandbox's ECR API", API_PORT_VARIABLE)
    # -P: nothing is imported from wherever we stand.
    command = [sys.executable, "-P", "-m", "moto.server", "--host", "127.0.0.1", "--port", str(sandbox.api_port)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    server.start(command, sandbox.environment(kept))
    server.await_answer(lambda: _answers(sandbox), ANSWER_SECONDS)


def stop(sandbox: Sandbox) -> None:
    """Stop the API; its repositories are forgotten.

    Raises:
        EngineError: it belongs to another user.
    """
    _server(sandbox).stop()


def _server(sandbox: Sandbox) -> Server:
    return Server("aws", sandbox.state, sandbox.logs)


def _answers(sandbox: Sandbox) -> bool:
    # Of moto's own pages this one is made without looking at any service.
    return status(sandbox.api_port, "/moto-api/") == http.HTTPStatus.OK
