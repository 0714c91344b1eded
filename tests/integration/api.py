"""The sandbox's ECR and STS, as a script of a user's asks them."""

from __future__ import annotations

import base64
from typing import Any

import boto3

from sandbox.layout import PASSWORD, USER, Sandbox


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


def create(box: Sandbox, name: str, **settings: Any) -> None:
    """Create a repository, unless it is there."""
    ecr = client(box)
    try:
        ecr.create_repository(repositoryName=name, **settings)
    except ecr.exceptions.RepositoryAlreadyExistsException:
        return


def basic(password: str = PASSWORD, user: str = USER) -> str:
    """Return an Authorization header."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
