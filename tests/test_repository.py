from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks import preflight, repository
from tasks.errors import RegistryError
from tests.contexts import INGEST, QUERY, World, world
from tests.registry.server import Answer, Asked, Server, serving

REGION = "eu-west-2"
JSON = {"Content-Type": "application/x-amz-json-1.1"}


TOKEN = {
    "authorizationToken": base64.b64encode(b"AWS:secret").decode(),
    "expiresAt": datetime(2100, 1, 1, tzinfo=UTC).timestamp(),
    "proxyEndpoint": f"https://123456789012.dkr.ecr.{REGION}.amazonaws.com",
}
TAKEN = Answer(202, {"Location": "/v2/mine/ingest/blobs/uploads/1"})
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


def denying(*calls: str) -> Callable[[Asked], Answer]:
    """Answer, but for these calls, which the login may not make."""
    body = json.dumps({"__type": "AccessDeniedException", "message": "not you"}).encode()
    return lambda asked: Answer(400, JSON, body) if call(asked) in calls else answer(asked)


@contextmanager
def ecr(
    root: Path, monkeypatch: pytest.MonkeyPatch, say: Callable[[Asked], Answer] = answer, **settings: str
) -> Iterator[tuple[World, Server]]:
    """Make a run whose registry is ECR's; yield it and the API, which creates what it is told to."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with (
        serving(say) as api,
        world(root, registry="ecr", region=REGION, aws_endpoint_url=api.url, **settings) as here,
    ):
        yield here, api


def test_a_repository_is_created_once_in_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ecr(tmp_path, monkeypatch) as (here, api):
        assert [repository.create(here.context, INGEST) for _ in range(2)] == [{"created": True}] * 2
        assert made(api) == ["mine/ingest"]


def test_no_repository_is_created_for_an_image_that_need_not_be_pushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch) as (here, api):
        here.context.ask(pushes=[QUERY], loads=[])
        here.hold(INGEST)
        assert repository.create(here.context, INGEST) == {}
        assert made(api) == []


def test_a_plain_registry_is_told_of_no_repository(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert repository.create(here.context, INGEST) == {}
        assert {one.method for one in here.server.asked} <= {"GET", "HEAD"}


def test_a_repository_that_holds_the_image_under_a_tag_is_not_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its login may well have no right to create one."""
    with ecr(tmp_path, monkeypatch) as (here, api):
        here.tags.add(f"{INGEST.name}:1.2.3")
        with pytest.raises(RegistryError, match="blobs/uploads/: the registry answered 403"):
            preflight.check_push(here.context, INGEST)
        assert made(api) == []


def test_a_login_that_may_not_push_is_found_before_the_build(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        with pytest.raises(RegistryError, match="blobs/uploads/: the registry answered 403") as caught:
            preflight.check_push(here.context, INGEST)
        assert "push to the repository" in caught.value.next_step


# Where this login may not create it


def test_a_registry_that_creates_at_the_push_needs_no_right_to_create(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch, denying("CreateRepository", "DescribeRepositories")) as (here, _):
        here.uploads = TAKEN
        preflight.check_push(here.context, INGEST)
        assert repository.create(here.context, INGEST) == {"created": False}


def test_an_absent_repository_that_may_not_be_created_is_what_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch, denying("CreateRepository")) as (here, _):
        here.uploads = Answer(404, body=b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}')
        with pytest.raises(RegistryError, match="ecr:CreateRepository for mine/ingest") as caught:
            preflight.check_push(here.context, INGEST)
        assert "allow ecr:CreateRepository" in caught.value.next_step


def test_the_task_alone_asks_the_registry_where_it_may_not_create(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch, denying("CreateRepository")) as (here, _):
        here.uploads = TAKEN
        assert repository.create(here.context, INGEST) == {"created": False}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_push_to_another_account_names_both(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ecr(tmp_path, monkeypatch, account="222222222222") as (here, api):
        here.uploads = Answer(status)
        with pytest.raises(RegistryError) as caught:
            preflight.check_push(here.context, INGEST)
        assert "the registry belongs to account 222222222222, the AWS login to account 123456789012" in str(
            caught.value
        )
        assert "aws ecr create-repository --repository-name mine/ingest" in caught.value.next_step
        assert made(api) == []


def test_a_repository_of_another_account_is_pushed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ecr(tmp_path, monkeypatch, account="222222222222") as (here, api):
        here.uploads = TAKEN
        preflight.check_push(here.context, INGEST)
        assert repository.create(here.context, INGEST) == {"created": False}
        assert made(api) == []


def test_another_fault_of_creating_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def quota(asked: Asked) -> Answer:
        body = json.dumps({"__type": "KmsException", "message": "no key"}).encode()
        return Answer(400, JSON, body) if call(asked) == "CreateRepository" else answer(asked)

    with ecr(tmp_path, monkeypatch, quota) as (here, _):
        here.uploads = TAKEN
        with pytest.raises(RegistryError, match="KmsException"):
            preflight.check_push(here.context, INGEST)


# Where BuildKit's push is denied

SAID = (
    "ERROR: failed to push r.example/mine/ingest:building: unexpected status from {} request to "
    "https://r.example/v2/mine/ingest/{}: 403 Forbidden"
)


def missing_right(here: World, said: str) -> str:
    """Return the next step for what BuildKit said of a push."""
    target = here.context.target
    return target.backend.missing_right(target.repository(INGEST), said)


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("HEAD", "blobs/sha256:00", "ecr:BatchCheckLayerAvailability"),
        ("HEAD", "manifests/building", "ecr:BatchGetImage"),
        ("POST", "blobs/uploads/", "ecr:InitiateLayerUpload"),
        ("PUT", "blobs/uploads/1?digest=sha256%3A00", "ecr:CompleteLayerUpload"),
        ("PUT", "manifests/building", "ecr:PutImage"),
    ],
)
def test_a_denied_push_says_which_right_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str, right: str
) -> None:
    with ecr(tmp_path, monkeypatch) as (here, _):
        assert right in missing_right(here, SAID.format(method, path))


def test_a_denied_push_to_another_account_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ecr(tmp_path, monkeypatch, account="222222222222") as (here, _):
        said = missing_right(here, SAID.format("PUT", "manifests/building"))
    assert "let the policy of mine/ingest in account 222222222222 allow ecr:PutImage to account 123456789012" in said


@pytest.mark.parametrize(
    "said", ["", "ERROR: failed to solve: no such file", SAID.format("PUT", "x").replace("403", "500")]
)
def test_of_another_fault_of_a_push_no_right_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with ecr(tmp_path, monkeypatch) as (here, _):
        assert missing_right(here, said) == ""


def test_a_plain_registry_has_no_rights_of_awss(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert missing_right(here, SAID.format("PUT", "manifests/building")) == ""
