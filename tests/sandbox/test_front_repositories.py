import json

import pytest

from sandbox.front.repositories import Repository, access_key, allows, as_key, authorization, changes

POLICY = {
    "Effect": "Allow",
    "Principal": {"AWS": ["111111111111", "arn:aws:iam::222222222222:root"]},
    "Action": "ecr:Put*",
}


@pytest.mark.parametrize(
    ("setting", "exclusions", "tag", "expected"),
    [
        ("MUTABLE", (), "v1", False),
        ("IMMUTABLE", (), "v1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest*",), "latest-1", False),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest*",), "v1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("v[1]",), "v1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("v?",), "v1", True),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), "v1", True),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), "latest", False),
    ],
)
def test_whether_a_tag_moves_follows_from_the_setting(
    setting: str, exclusions: tuple[str, ...], tag: str, expected: bool
) -> None:
    assert Repository("any", setting, exclusions).immutable(tag) is expected


@pytest.mark.parametrize(
    ("caller", "action", "expected"),
    [
        ("111111111111", "ecr:PutImage", True),
        ("222222222222", "ecr:PutImage", True),
        ("333333333333", "ecr:PutImage", False),
        ("111111111111", "ecr:BatchGetImage", False),
    ],
)
def test_a_policy_allows_what_it_names(caller: str, action: str, expected: bool) -> None:
    assert allows(json.dumps({"Statement": [POLICY]}), caller, action) is expected


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*"}]}']
)
def test_what_allows_nothing_allows_nothing(text: str) -> None:
    assert not allows(text, "111111111111", "ecr:PutImage")


def test_the_access_key_of_a_signed_call_is_changed_alone() -> None:
    header = authorization("AKIAOTHER", "eu-west-2")
    assert as_key(header, "sandbox") == authorization("sandbox", "eu-west-2")
    assert access_key(header) == "AKIAOTHER"


@pytest.mark.parametrize("operation", ["CreateRepository", "PutLifecyclePolicy", "SetRepositoryPolicy", "TagResource"])
def test_a_call_that_changes_something_is_known_by_its_name(operation: str) -> None:
    assert changes(operation)


@pytest.mark.parametrize(
    "operation", ["DescribeRepositories", "GetRepositoryPolicy", "ListTagsForResource", "BatchGetImage"]
)
def test_a_call_that_reads_is_known_by_its_name(operation: str) -> None:
    assert not changes(operation)
