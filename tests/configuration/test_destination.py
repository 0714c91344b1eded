from __future__ import annotations

from pathlib import Path

import pytest

from tasks.reference import Registry
from tests.configuration.loading import load, refusal

ECR = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"


def test_an_ecr_host_says_its_account_and_region(tmp_path: Path) -> None:
    found = load(tmp_path, {"docker_registry": ECR}, {"AWS_REGION": "us-east-1"})
    assert (found.account, found.region) == ("123456789012", "eu-west-2")
    assert found.origins["REGION"] == "the host in DOCKER_REGISTRY"


@pytest.mark.parametrize("given", [{"account": "210987654321"}, {"region": "us-east-1"}])
def test_an_ecr_host_of_another_account_or_region_is_refused(tmp_path: Path, given: dict[str, str]) -> None:
    assert f"contradicts DOCKER_REGISTRY={ECR}" in refusal(tmp_path, {"docker_registry": ECR, **given}).message


def test_the_account_of_a_host_that_is_not_ecrs_is_what_is_set(tmp_path: Path) -> None:
    found = load(tmp_path, {"docker_registry": "127.0.0.1:5000", "account": "123456789012", "region": "eu-west-2"})
    assert (found.registry_host, found.account) == (Registry("127.0.0.1:5000"), "123456789012")


@pytest.mark.parametrize(
    ("prefix", "host", "path"),
    [
        (f"{ECR}/mine", ECR, "mine"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b"),
        ("localhost/mine", "localhost", "mine"),
        ("team/mine", None, "team/mine"),
        ("my.team", None, "my.team"),
    ],
)
def test_a_prefix_may_begin_with_a_registry(tmp_path: Path, prefix: str, host: str | None, path: str) -> None:
    found = load(tmp_path, {"repo_prefix": prefix})
    assert (found.registry_host and str(found.registry_host), found.repository_prefix) == (host, path)


def test_a_prefix_of_another_registry_than_the_one_set_is_refused(tmp_path: Path) -> None:
    given = {"repo_prefix": "a.example/mine", "docker_registry": "b.example"}
    assert "DOCKER_REGISTRY=b.example (command line) contradicts" in refusal(tmp_path, given).message


def test_an_instance_set_over_an_exported_prefix_of_another_is_refused(tmp_path: Path) -> None:
    fault = refusal(tmp_path, {"instance_id": "mine"}, {"REPO_PREFIX": "a.example/other"})
    assert "INSTANCE_ID=mine (command line) contradicts REPO_PREFIX=a.example/other" in fault.message


def test_an_instance_set_as_it_is_where_the_prefix_is_keeps_the_prefix(tmp_path: Path) -> None:
    environment = {"REPO_PREFIX": "a.example/shared", "INSTANCE_ID": "mine"}
    assert load(tmp_path, {"instance_id": "mine"}, environment).repository_prefix == "shared"
