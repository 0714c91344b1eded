"""A login of one account and the registry of another, with moto's repositories of both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from tasks.errors import RegistryError
from tasks.reference import Digest, Registry, Repository
from tasks.registry.ecr import Ecr
from tasks.registry.ecr_answers import TagMutability
from tests.registry import images
from tests.registry.accounts import REGION, Accounts, accounts

OWN, CENTRAL = "111111111111", "222222222222"
HOST = Registry(f"{CENTRAL}.dkr.ecr.{REGION}.amazonaws.com")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto: str) -> Iterator[Accounts]:
    with accounts(moto) as found:
        yield found


def ecr(aws: Accounts, account: str | None, own: str = OWN) -> Ecr:
    return Ecr(REGION, account=account, environment={**aws.login(own), "AWS_ENDPOINT_URL": aws.url})


def test_the_token_says_the_account_of_the_login(aws: Accounts) -> None:
    assert ecr(aws, CENTRAL).token().account == OWN
    assert ecr(aws, CENTRAL).foreign == (OWN, CENTRAL)


@pytest.mark.parametrize("account", [OWN, None])
def test_one_account_is_not_another(aws: Accounts, account: str | None) -> None:
    assert ecr(aws, account).foreign is None


def test_no_repository_is_created_for_the_registry_of_another_account(aws: Accounts) -> None:
    refusal = ecr(aws, CENTRAL).create_repository(Repository(HOST, "mine/nowhere"))
    assert isinstance(refusal, RegistryError)
    assert OWN in refusal.message
    assert CENTRAL in refusal.message
    assert "aws ecr create-repository --repository-name mine/nowhere --region eu-west-2" in refusal.next_step
    assert "mine/nowhere" not in aws.repositories(OWN) | aws.repositories(CENTRAL)


@pytest.mark.parametrize(("own", "account"), [(CENTRAL, CENTRAL), (CENTRAL, None)])
def test_a_repository_of_the_login_s_own_account_is_created(aws: Accounts, own: str, account: str | None) -> None:
    name = f"created/{account}".lower()
    assert ecr(aws, account, own).create_repository(Repository(HOST, name)) is True
    assert name in aws.repositories(CENTRAL)


def test_mutability_is_that_of_the_account_that_is_pushed_to(aws: Accounts) -> None:
    aws.allowed = {"DescribeRepositories"}
    aws.client(OWN).create_repository(repositoryName="both/ingest")
    aws.client(CENTRAL).create_repository(repositoryName="both/ingest", imageTagMutability="IMMUTABLE")
    assert ecr(aws, CENTRAL).tag_mutability(["both/ingest"]) == {"both/ingest": TagMutability("IMMUTABLE")}


def test_the_time_of_a_push_is_that_of_the_account_that_was_pushed_to(aws: Accounts) -> None:
    aws.allowed = {"DescribeImages"}
    central = aws.client(CENTRAL)
    central.create_repository(repositoryName="mine/pushed")
    manifest = images.image(images.config()).content.decode()
    put = central.put_image(repositoryName="mine/pushed", imageManifest=manifest, imageTag="1")
    digest = Digest(put["image"]["imageId"]["imageDigest"])
    assert ecr(aws, CENTRAL).pushed_at(Repository(HOST, "mine/pushed"), digest) is not None


def test_what_another_account_denies_names_both_accounts(aws: Accounts) -> None:
    found = ecr(aws, CENTRAL)
    found.token()
    with pytest.raises(RegistryError) as caught:
        found.tag_mutability(["mine/ingest"])
    assert f"in account {CENTRAL} (the AWS login belongs to account {OWN})" in caught.value.message


def test_every_call_names_the_registry_but_the_one_for_the_token(aws: Accounts) -> None:
    found, place = ecr(aws, OWN), Repository(HOST, "named/ingest")
    found.create_repository(place)
    found.tag_mutability([place.path])
    found.pushed_at(place, Digest("sha256:" + "0" * 64))
    asked = aws.calls()
    assert [one for one in asked if not one.endswith(OWN)] == ["GetAuthorizationToken -"]
    assert len(asked) == 4
