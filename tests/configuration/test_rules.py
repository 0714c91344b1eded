from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import rules
from tasks.reference import Registry, Repository


@pytest.mark.parametrize("name", ["ingest", "a", "query-lambda", "a.b_c-d9", "x" * 128])
def test_a_name_that_ecr_takes_is_taken(name: str) -> None:
    assert rules.image(name) is None


@pytest.mark.parametrize(
    "name", ["", "Ingest", "a/b", "-a", "a-", "a--b", "a__b", "a b", "a\n", "é", "$(id)", "x" * 129]
)
def test_a_name_that_ecr_refuses_is_refused(name: str) -> None:
    assert rules.image(name) is not None


@given(st.from_regex(r"[a-z0-9._/-]{1,40}", fullmatch=True), st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True))
def test_a_prefix_and_a_name_that_are_taken_make_a_repository(prefix: str, name: str) -> None:
    if rules.repository_prefix(prefix) is None and rules.image(name) is None:
        assert str(Repository(Registry("127.0.0.1:5000"), f"{prefix}/{name}")) == f"127.0.0.1:5000/{prefix}/{name}"


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "a//b", "A", "a/../b", "x" * 200])
def test_a_prefix_that_ecr_refuses_is_refused(prefix: str) -> None:
    assert rules.repository_prefix(prefix) is not None


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("/etc", "is absolute"),
        ("../x", "climbs out"),
        ("a/../../b", "climbs out"),
        ("-x", "is no directory"),
        ("a/-x", "is no directory"),
        (".", "is no directory"),
        ("", "is no directory"),
        ("a//b", "is no directory"),
        ("a b", "is no directory"),
        ("a\\..\\b", "is no directory"),
    ],
)
def test_a_directory_outside_docker_is_refused(directory: str, reason: str) -> None:
    assert (rules.directory(directory) or "").startswith(reason)


@pytest.mark.parametrize("directory", ["lambda", "a/b", ".hidden", "Build_1.0"])
def test_a_directory_inside_docker_is_taken(directory: str) -> None:
    assert rules.directory(directory) is None


@pytest.mark.parametrize(
    ("jar", "reason"),
    [
        ("query.jar", "must hold <version> once"),
        ("query-<version>-<version>.jar", "must hold <version> once"),
        ("query-<version-number>.jar", "must hold <version> once"),
        ("jars/query-<version>.jar", "has a path"),
        ("..\\query-<version>.jar", "has a path"),
        ("query-<version>.zip", "is no file name"),
        ("-query-<version>.jar", "is no file name"),
        ("query <version>.jar", "is no file name"),
    ],
)
def test_what_is_no_jars_name_is_refused(jar: str, reason: str) -> None:
    assert (rules.jar(jar) or "").startswith(reason)


def test_a_jars_name_is_taken() -> None:
    assert rules.jar("lambda-jobSpecCreationLambda-<version>.jar") is None


@pytest.mark.parametrize("text", ["", "-x", "a b", "tcp://host:1234\n"])
def test_what_docker_would_take_for_an_option_is_no_endpoint(text: str) -> None:
    assert rules.endpoint(text) is not None


def test_a_mistyped_driver_is_recognised() -> None:
    assert "did you mean 'kubernetes'?" in (rules.driver("kubernets") or "")
