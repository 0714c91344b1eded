"""What stands in front of the sandbox's registry and API, so that they answer as Amazon ECR does: `sandbox.front`."""

from __future__ import annotations

import http
import os
import sys
from pathlib import Path

from sandbox import aws, registry
from sandbox.layout import ACCOUNT, API_PORT_VARIABLE, REGION, REGISTRY_PORT_VARIABLE, Sandbox
from sandbox.loopback import check_free, status
from sandbox.process import Server

ANSWER_SECONDS = 20.0
"""How long it may take to start; it takes a fifth of a second."""


def running(sandbox: Sandbox) -> bool:
    """Return whether it runs, and with it the registry and the API behind."""
    return _server(sandbox).pid() is not None and aws.running(sandbox) and _answers(sandbox)


def start(sandbox: Sandbox) -> None:
    """Start it if it does not run, and moto with it; the registry runs already.

    Raises:
        EngineError: a port is taken, or it does not start.
    """
    if running(sandbox):
        return
    stop(sandbox)
    check_free(sandbox.api_port, "the sandbox's ECR API", API_PORT_VARIABLE)
    if not registry.behind(sandbox).direct:
        check_free(sandbox.registry_port, "the sandbox's registry", REGISTRY_PORT_VARIABLE)
    aws.start(sandbox)
    server = _server(sandbox)
    server.start(command(sandbox), environment())
    server.await_answer(lambda: _answers(sandbox), ANSWER_SECONDS)


def command(sandbox: Sandbox, account: str = ACCOUNT, key: str = "") -> list[str]:
    """Return the command that serves an account's registry and API at the sandbox's ports.

    Args:
        sandbox: whose registry and moto are behind.
        account: the account; another one than the sandbox's is for tests.
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
        *("--api", aws.address(sandbox)),
        *("--journal", str(sandbox.directory / f"{calls}.jsonl")),
        *("--account", account),
        *("--region", REGION),
        *("--key", key or sandbox.aws()["AWS_ACCESS_KEY_ID"]),
    ]


def environment() -> dict[str, str]:
    """Return the environment of that command: -P keeps the current directory from being searched for the package."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}


def stop(sandbox: Sandbox) -> None:
    """Stop it, and moto behind it.

    Raises:
        EngineError: a process belongs to another user.
    """
    try:
        _server(sandbox).stop()
    finally:
        aws.stop(sandbox)


def _server(sandbox: Sandbox) -> Server:
    return Server("front", sandbox.state, sandbox.logs)


def _answers(sandbox: Sandbox) -> bool:
    return (
        # Of moto's own pages this one is made without looking at any service.
        status(sandbox.api_port, "/moto-api/") == http.HTTPStatus.OK
        and status(sandbox.registry_port, "/v2/") == http.HTTPStatus.UNAUTHORIZED
    )
