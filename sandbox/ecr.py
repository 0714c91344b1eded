"""The sandbox's ECR and STS API and its registry's entrance: `sandbox.front`, with moto's server behind it.

moto knows repositories and STS, runs as a process of its own on a socket, and forgets everything when it stops; the
front makes the registry and the API answer as Amazon ECR does, and tells moto again what it has forgotten.
"""

from __future__ import annotations

import http
import os
import sys
from pathlib import Path

from sandbox import registry
from sandbox.layout import ACCOUNT, API_PORT_VARIABLE, REGION, REGISTRY_PORT_VARIABLE, Sandbox
from sandbox.loopback import check_free, listens, status
from sandbox.private import make_private
from sandbox.process import Server

ANSWER_SECONDS = 20.0
"""How long the front may take to start; it takes a fifth of a second."""

MOTO_SECONDS = 60.0
"""How long moto may take to start; it takes one or two seconds, most of them for imports."""


def running(sandbox: Sandbox) -> bool:
    """Return whether the front runs, with the registry and the API behind it."""
    return _front(sandbox).pid() is not None and moto_running(sandbox) and _answers(sandbox)


def moto_running(sandbox: Sandbox) -> bool:
    """Return whether moto's process runs; only the front shows whether it answers."""
    return _moto(sandbox).pid() is not None


def start(sandbox: Sandbox) -> None:
    """Start the front and moto, unless they run; the registry runs already.

    Raises:
        EngineError: a port is taken, or a server does not start.
    """
    if running(sandbox):
        return
    stop(sandbox)
    check_free(sandbox.api_port, "the sandbox's ECR API", API_PORT_VARIABLE)
    if not registry.behind(sandbox).direct:
        check_free(sandbox.registry_port, "the sandbox's registry", REGISTRY_PORT_VARIABLE)
    _start_moto(sandbox)
    server = _front(sandbox)
    server.start(command(sandbox), environment())
    server.await_answer(lambda: _answers(sandbox), ANSWER_SECONDS)


def command(sandbox: Sandbox, account: str = ACCOUNT, key: str = "") -> list[str]:
    """Return the command that serves an account's registry and API at the sandbox's ports.

    Args:
        sandbox: the sandbox whose registry and moto are behind.
        account: the account; tests use another one than the sandbox's.
        key: an access key of that account.
    """
    behind = registry.behind(sandbox)
    calls = "ecr-calls" if account == ACCOUNT else f"ecr-calls-{account}"
    return [
        *(sys.executable, "-P", "-m", "sandbox.front"),
        *("--registry-port", "0" if behind.direct else str(sandbox.registry_port)),
        *("--api-port", str(sandbox.api_port)),
        *("--registry", behind.address),
        *("--login", behind.login),
        *("--disk", str(sandbox.registry_disk)),
        *("--api", _moto_address(sandbox)),
        *("--journal", str(sandbox.directory / f"{calls}.jsonl")),
        *("--account", account),
        *("--region", REGION),
        *("--key", key or sandbox.aws()["AWS_ACCESS_KEY_ID"]),
    ]


def environment() -> dict[str, str]:
    """Return the environment of that command: with -P, Python does not search the current directory for the package."""
    return _kept() | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}


def stop(sandbox: Sandbox) -> None:
    """Stop the front and moto.

    Raises:
        EngineError: a process belongs to another user.
    """
    try:
        _front(sandbox).stop()
    finally:
        _moto(sandbox).stop()
        _moto_socket(sandbox).unlink(missing_ok=True)


def _front(sandbox: Sandbox) -> Server:
    return Server("front", sandbox.state, sandbox.logs)


def _answers(sandbox: Sandbox) -> bool:
    return (
        # The one of moto's own pages that asks none of its services.
        status(sandbox.api_port, "/moto-api/") == http.HTTPStatus.OK
        and status(sandbox.registry_port, "/v2/") == http.HTTPStatus.UNAUTHORIZED
    )


def _kept() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


# moto


def _start_moto(sandbox: Sandbox) -> None:
    make_private(sandbox.runtime)
    _moto_socket(sandbox).unlink(missing_ok=True)
    # -P: nothing is imported from the current directory. The port is not used; without it moto reads MOTO_PORT.
    command = [sys.executable, "-P", "-m", "moto.server", "--host", _moto_address(sandbox), "--port", "0"]
    server = _moto(sandbox)
    server.start(command, sandbox.environment(_kept()))
    server.await_answer(lambda: listens(_moto_socket(sandbox)), MOTO_SECONDS)


def _moto(sandbox: Sandbox) -> Server:
    return Server("aws", sandbox.state, sandbox.logs)


def _moto_address(sandbox: Sandbox) -> str:
    return f"unix://{_moto_socket(sandbox)}"


def _moto_socket(sandbox: Sandbox) -> Path:
    return sandbox.runtime / "aws.sock"
