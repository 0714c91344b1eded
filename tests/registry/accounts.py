"""ECR of several accounts: a call is about the registry that it names, if that registry lets the login in.

moto keeps the repositories of each account apart, and answers about the login's own whatever `registryId` says. This
stands in front of it: a call that names another account's registry is forwarded with a login of that account, or is
denied, as the repository's policy would have it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

import boto3

from tests.registry.server import Answer, Asked, Server, serving

REGION = "eu-west-2"
HEADERS = {"Content-Type": "application/x-amz-json-1.1"}


@dataclass
class Accounts:
    """Accounts with a registry each.

    Attributes:
        url: where they are reached.
        moto: moto's server.
        allowed: what a login of another account may do, by the names of the operations.
        server: what was asked.
    """

    url: str
    moto: str
    server: Server
    allowed: set[str] = field(default_factory=set)

    def login(self, account: str) -> dict[str, str]:
        """Return the variables of a login of an account."""
        return login(self.moto, account)

    def client(self, account: str) -> Any:
        """Return an ECR client of an account."""
        return client(self.moto, account)

    def repositories(self, account: str) -> set[str]:
        """Return the names of an account's repositories."""
        return {one["repositoryName"] for one in self.client(account).describe_repositories()["repositories"]}

    def calls(self) -> list[str]:
        """Return the operations that were asked for, and the registry that each named."""
        return [f"{operation(one)} {json.loads(one.body).get('registryId', '-')}" for one in self.server.asked]


def login(moto: str, account: str) -> dict[str, str]:
    """Return the variables of a login of an account: a role in it is assumed."""
    first = {"aws_access_key_id": "first", "aws_secret_access_key": "first"}
    sts = boto3.client("sts", REGION, endpoint_url=moto, **first)
    role = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/pushes", RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": role["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": role["SecretAccessKey"],
        "AWS_SESSION_TOKEN": role["SessionToken"],
    }


def client(moto: str, account: str) -> Any:
    """Return an ECR client of an account."""
    keys = {name.lower(): value for name, value in login(moto, account).items()}
    return boto3.client("ecr", REGION, endpoint_url=moto, **keys)


@contextmanager
def accounts(moto: str) -> Iterator[Accounts]:
    """Serve the accounts that moto has."""
    keys: dict[str, str] = {}

    def answer(asked: Asked) -> Answer:
        own, named = account_of(moto, asked), json.loads(asked.body).get("registryId")
        if named in {None, own}:
            return forward(moto, asked, asked.headers["authorization"])
        if operation(asked) not in found.allowed:
            message = f"a login of {own} is not authorized to perform: ecr:{operation(asked)} in {named}"
            return Answer(400, HEADERS, json.dumps({"__type": "AccessDeniedException", "message": message}).encode())
        if named not in keys:
            keys[named] = login(moto, named)["AWS_ACCESS_KEY_ID"]
        return forward(
            moto, asked, re.sub("Credential=[^/]+", f"Credential={keys[named]}", asked.headers["authorization"])
        )

    with serving(answer) as server:
        found = Accounts(server.url, moto, server)
        yield found


def operation(asked: Asked) -> str:
    """Return the name of the operation that is asked for."""
    return asked.headers["x-amz-target"].rpartition(".")[2]


def account_of(moto: str, asked: Asked) -> str:
    """Return the account of a request's login: that of the token which moto gives it."""
    headers = {"x-amz-target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"}
    given = Asked("POST", "/", {**asked.headers, **headers}, b"{}")
    entry = json.loads(forward(moto, given, asked.headers["authorization"]).body)["authorizationData"][0]
    return str(re.search("[0-9]{12}", entry["proxyEndpoint"])[0])  # type: ignore[index]  # It is there.


def forward(moto: str, asked: Asked, authorization: str) -> Answer:
    """Have moto answer."""
    kept: Mapping[str, str] = {name: asked.headers[name] for name in ("content-type", "x-amz-target")}
    request = Request(moto, asked.body, {**kept, "Authorization": authorization})  # noqa: S310  # It is on loopback.
    try:
        with urlopen(request) as found:  # noqa: S310  # As above.
            return Answer(found.status, HEADERS, found.read())
    except OSError as fault:
        status, body = getattr(fault, "status", 500), fault.read() if hasattr(fault, "read") else b""
        return Answer(status, HEADERS, body)
