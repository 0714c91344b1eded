from __future__ import annotations

from pathlib import Path

import pytest

from tasks.reference import Registry
from tests.configuration.loading import load, refusal

WAYS = ("command line", "file on command line", "environment", "file on environment")
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


KEYS = {
    "INSTANCE_ID": "sleeper.id",
    "REPO_PREFIX": "sleeper.ecr.repository.prefix",
    "ACCOUNT": "sleeper.account",
    "REGION": "sleeper.region",
}
PAIRS = (
    (("DOCKER_REGISTRY", "b.example"), ("REPO_PREFIX", "a.example/mine")),
    (("ACCOUNT", "210987654321"), ("REPO_PREFIX", f"{ECR}/mine")),
    (("REGION", "us-east-1"), ("REPO_PREFIX", f"{ECR}/mine")),
    (("ACCOUNT", "210987654321"), ("DOCKER_REGISTRY", ECR)),
    (("REGION", "us-east-1"), ("DOCKER_REGISTRY", ECR)),
    (("INSTANCE_ID", "mine"), ("REPO_PREFIX", "a.example/other")),
)
BOTH_WAYS = [
    (one, first, other, second)
    for one, other in PAIRS
    for first in WAYS
    for second in WAYS
    if ("file" not in first or one[0] in KEYS) and ("file" not in second or other[0] in KEYS)
    # Of two files one is read. A prefix in the instance's own source may differ from its name.
    if {first, second} != {"file on command line", "file on environment"}
    if one[0] != "INSTANCE_ID" or first != second
]


def said(root: Path, ways: list[tuple[str, str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the command line and the environment in which each variable is said in its own way."""
    given: dict[str, dict[str, str]] = {"command line": {}, "environment": {}}
    for name, value, way in ways:
        if way in given:
            given[way][name] = value
            continue
        file = root / f"{way}.properties"
        file.write_text((file.read_text() if file.exists() else "") + f"{KEYS[name]}={value}\n")
        given[way.removeprefix("file on ")]["INSTANCE_PROPERTIES"] = str(file)
    return {name.lower(): value for name, value in given["command line"].items()}, given["environment"]


@pytest.mark.parametrize(("one", "first", "other", "second"), BOTH_WAYS)
def test_two_destinations_are_an_error_from_whichever_sources_they_come(
    tmp_path: Path, one: tuple[str, str], first: str, other: tuple[str, str], second: str
) -> None:
    message = refusal(tmp_path, *said(tmp_path, [(*one, first), (*other, second)])).message
    assert f"{one[0]}={one[1]}" in message
    assert f" contradicts {other[0]}={other[1]}" in message


@pytest.mark.parametrize("way", WAYS)
def test_a_prefix_may_differ_from_the_instance_that_is_named_with_it(tmp_path: Path, way: str) -> None:
    given = said(tmp_path, [("INSTANCE_ID", "mine", way), ("REPO_PREFIX", "a.example/other", way)])
    assert load(tmp_path, *given).repository_prefix == "other"


def test_a_prefix_set_as_it_is_where_the_instance_is_is_no_other(tmp_path: Path) -> None:
    environment = {"REPO_PREFIX": "a.example/shared", "INSTANCE_ID": "mine"}
    assert load(tmp_path, {"repo_prefix": "a.example/shared"}, environment).repository_prefix == "shared"


def test_an_exported_instance_can_be_taken_back(tmp_path: Path) -> None:
    given = {"repo_prefix": "a.example/other", "instance_id": ""}
    assert load(tmp_path, given, {"INSTANCE_ID": "mine"}).repository_prefix == "other"


def test_one_registry_by_two_of_docker_hubs_names_is_one(tmp_path: Path) -> None:
    given = {"repo_prefix": "docker.io/mine", "docker_registry": "registry-1.docker.io"}
    assert load(tmp_path, given).registry_host == Registry("registry-1.docker.io")


def test_an_endpoint_set_over_an_exported_one_of_ecrs_is_refused(tmp_path: Path) -> None:
    given = {"aws_endpoint_url": "http://127.0.0.1:1"}, {"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:2"}
    assert "contradicts AWS_ENDPOINT_URL_ECR=http://127.0.0.1:2" in refusal(tmp_path, *given).message


def test_ecrs_endpoint_may_be_another_than_awss(tmp_path: Path) -> None:
    both = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:2"}
    assert load(tmp_path, {}, both).ecr_endpoint == "http://127.0.0.1:2"
    general = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert load(tmp_path, {"aws_endpoint_url_ecr": "http://127.0.0.1:2"}, general).ecr_endpoint == "http://127.0.0.1:2"


def test_an_instance_set_over_an_exported_prefix_of_another_is_refused(tmp_path: Path) -> None:
    fault = refusal(tmp_path, {"instance_id": "mine"}, {"REPO_PREFIX": "a.example/other"})
    assert "INSTANCE_ID=mine (command line) contradicts REPO_PREFIX=a.example/other" in fault.message


def test_an_instance_set_as_it_is_where_the_prefix_is_keeps_the_prefix(tmp_path: Path) -> None:
    environment = {"REPO_PREFIX": "a.example/shared", "INSTANCE_ID": "mine"}
    assert load(tmp_path, {"instance_id": "mine"}, environment).repository_prefix == "shared"
