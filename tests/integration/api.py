"""The sandbox's ECR and STS, as a script of a user's asks them; and the registries of other accounts."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3

from sandbox import ecr
from sandbox.layout import PASSWORD, USER, Sandbox
from sandbox.loopback import status


def client(box: Sandbox, service: str = "ecr") -> Any:
    """Return boto3's client of a service."""
    settings = box.aws()
    return boto3.client(
        service,
        region_name=settings["AWS_REGION"],
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )


def create(box: Sandbox, *names: str, **settings: Any) -> None:
    """Create repositories, unless they are there."""
    asked = client(box)
    for name in names:
        with contextlib.suppress(asked.exceptions.RepositoryAlreadyExistsException):
            asked.create_repository(repositoryName=name, **settings)


def basic(password: str = PASSWORD, user: str = USER) -> str:
    """Return an Authorization header."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@contextlib.contextmanager
def registry_of(box: Sandbox, account: str) -> Iterator[Sandbox]:
    """Serve another account's ECR beside the sandbox's; yield the sandbox as it would be with that one's ports."""
    role = f"arn:aws:iam::{account}:role/any"
    login = client(box, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    ports = [_free_port() for _ in range(2)]
    other = replace(box, registry_port=ports[0], api_port=ports[1])
    server = subprocess.Popen(ecr.command(other, account, login["AccessKeyId"]), env=ecr.environment())
    try:
        while status(other.registry_port, "/v2/") is None:
            assert server.poll() is None
        yield other
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
