from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks import repository
from tasks.errors import RegistryError
from tests.registry.server import Answer, Asked, Server, serving
from tests.sessions import INGEST, QUERY, World, world

REGION = "eu-west-2"
JSON = {"Content-Type": "application/x-amz-json-1.1"}


TOKEN = {
    "authorizationToken": base64.b64encode(b"AWS:secret").decode(),
    "expiresAt": datetime(2100, 1, 1, tzinfo=UTC).timestamp(),
    "proxyEndpoint": f"https://123456789012.dkr.ecr.{REGION}.amazonaws.com",
}
ANSWERS: dict[str, object] = {
    "CreateRepository": {"repository": {}},
    "DescribeRepositories": {"repositories": []},
    "GetAuthorizationToken": {"authorizationData": [TOKEN]},
}


def call(asked: Asked) -> str:
    return asked.headers["x-amz-target"].rpartition(".")[2]


def answer(asked: Asked) -> Answer:
    return Answer(200, JSON, json.dumps(ANSWERS[call(asked)]).encode())


def made(api: Server) -> list[str]:
    """Return the repositories that the API was asked to create."""
    return [json.loads(one.body)["repositoryName"] for one in api.asked if call(one) == "CreateRepository"]


@contextmanager
def ecr(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, Server]]:
    """Make a session whose registry is ECR's; yield it and the API, which creates what it is told to."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with serving(answer) as api, world(root, registry="ecr", region=REGION, aws_endpoint_url=api.url) as here:
        yield here, api


def test_a_repository_is_created_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ecr(tmp_path, monkeypatch) as (here, api):
        assert [repository.create(here.session, INGEST) for _ in range(2)] == [{"created": True}] * 2
        assert made(api) == ["mine/ingest"]


def test_no_repository_is_created_for_an_image_that_need_not_be_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch) as (here, api):
        here.session.ask(pushes=[QUERY], loads=[])
        here.hold(INGEST)
        assert repository.create(here.session, INGEST) == {}
        assert made(api) == []


def test_a_plain_registry_is_told_of_no_repository(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert repository.create(here.session, INGEST) == {}
        assert {one.method for one in here.server.asked} <= {"GET", "HEAD"}


def test_a_repository_that_holds_the_image_under_a_tag_is_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its login may well have no right to create one."""
    with ecr(tmp_path, monkeypatch) as (here, api):
        here.tags.add(f"{INGEST.name}:1.2.3")
        with pytest.raises(RegistryError, match="blobs/uploads/: the registry answered 403"):
            repository.check(here.session, INGEST)
        assert made(api) == []


def test_a_login_that_may_not_push_is_found_before_the_build(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with pytest.raises(RegistryError, match="blobs/uploads/: the registry answered 403") as caught:
            repository.check(here.session, INGEST)
        assert "to push" in caught.value.next_step
