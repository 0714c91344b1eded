from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import values
from tasks.reference import Registry, Repository
from tests.configuration.loading import load, refusal

# Names


@pytest.mark.parametrize("name", ["ingest", "a", "query-lambda", "a.b_c-d9", "x" * 128])
def test_a_name_that_ecr_takes_is_taken(name: str) -> None:
    assert values.image(name) is None


@pytest.mark.parametrize(
    "name", ["", "Ingest", "a/b", "-a", "a-", "a--b", "a__b", "a b", "a\n", "é", "$(id)", "x" * 129]
)
def test_a_name_that_ecr_refuses_is_refused(name: str) -> None:
    assert values.image(name) is not None


@given(st.from_regex(r"[a-z0-9._/-]{1,40}", fullmatch=True), st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True))
def test_a_prefix_and_a_name_that_are_taken_make_a_repository(prefix: str, name: str) -> None:
    if values.repository_prefix(prefix) is None and values.image(name) is None:
        assert str(Repository(Registry("127.0.0.1:5000"), f"{prefix}/{name}")) == f"127.0.0.1:5000/{prefix}/{name}"


@pytest.mark.parametrize("prefix", ["", "/a", "a/", "a//b", "A", "a/../b", "x" * 200])
def test_a_prefix_that_ecr_refuses_is_refused(prefix: str) -> None:
    assert values.repository_prefix(prefix) is not None


@pytest.mark.parametrize(
    ("directory", "reason"),
    [
        ("/etc", "must be relative"),
        ("../x", "must stay below"),
        ("a/../../b", "must stay below"),
        ("-x", "must be a directory"),
        ("a/-x", "must be a directory"),
        (".", "must be a directory"),
        ("", "must be a directory"),
        ("a//b", "must be a directory"),
        ("a b", "must be a directory"),
        ("a\\..\\b", "must be a directory"),
    ],
)
def test_a_directory_outside_docker_is_refused(directory: str, reason: str) -> None:
    assert (values.directory(directory) or "").startswith(reason)


@pytest.mark.parametrize("directory", ["lambda", "a/b", ".hidden", "Build_1.0"])
def test_a_directory_inside_docker_is_taken(directory: str) -> None:
    assert values.directory(directory) is None


@pytest.mark.parametrize(
    ("jar", "reason"),
    [
        ("query.jar", "must contain <version> once"),
        ("query-<version>-<version>.jar", "must contain <version> once"),
        ("query-<version-number>.jar", "must contain <version> once"),
        ("jars/query-<version>.jar", "must be a file name without"),
        ("..\\query-<version>.jar", "must be a file name without"),
        ("query-<version>.zip", "must be the file name of a jar"),
        ("-query-<version>.jar", "must be the file name of a jar"),
        ("query <version>.jar", "must be the file name of a jar"),
    ],
)
def test_what_is_no_jars_name_is_refused(jar: str, reason: str) -> None:
    assert (values.jar(jar) or "").startswith(reason)


def test_a_jars_name_is_taken() -> None:
    assert values.jar("lambda-jobSpecCreationLambda-<version>.jar") is None


@pytest.mark.parametrize("text", ["", "-x", "a b", "tcp://host:1234\n"])
def test_what_docker_would_take_for_an_option_is_no_endpoint(text: str) -> None:
    assert values.endpoint(text) is not None


def test_a_mistyped_driver_is_recognised() -> None:
    assert "did you mean 'kubernetes'?" in (values.driver("kubernets") or "")


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (values.image, "a.b_c-d9"),
        (values.directory, "a/.hidden/Build_1.0"),
        (values.jar, "lambda-jobSpecCreationLambda-<version>.jar"),
        (values.jar, "<version>.jar"),
        (values.platform, "linux/arm/v7"),
        (values.endpoint, "tcp://host:1234"),
    ],
)
def test_an_accepted_text_matches_the_pattern_that_editors_get(rule: values.Rule, text: str) -> None:
    assert rule(text) is None
    assert re.fullmatch(rule.pattern, text)


# Platforms


@pytest.mark.parametrize(
    "text", [*values.COMMON_PLATFORMS, "linux/arm/v6", "windows/amd64", "linux/loong64", "wasi/wasm"]
)
def test_a_platform_as_it_stands_in_a_manifest_is_taken(text: str) -> None:
    assert values.platform(text) is None


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "-linux/amd64", "linux/amd64 ", "linux/amd64/8"])
def test_what_has_not_the_form_of_a_platform_is_refused(text: str) -> None:
    assert "must be a platform" in (values.platform(text) or "")


@pytest.mark.parametrize(
    ("text", "written"),
    [("linux/aarch64", "linux/arm64"), ("linux/x86_64", "linux/amd64"), ("linux/arm64/v8", "linux/arm64")],
)
def test_another_spelling_is_refused_with_the_one_that_an_image_has(text: str, written: str) -> None:
    assert f"must be written '{written}', as in an image's manifest" == values.platform(text)


@pytest.mark.parametrize("text", ["Linux/AMD64", "linux/amd65", "linus/amd64", "linux/amd46"])
def test_a_mistyped_platform_is_recognised(text: str) -> None:
    assert "did you mean 'linux/amd64'?" in (values.platform(text) or "")


def test_a_machine_that_nobody_makes_is_refused() -> None:
    assert (values.platform("linux/pdp11") or "").startswith("is not a known platform")


def test_this_machines_platform_is_one_that_is_taken() -> None:
    assert values.platform(values.native_platform()) is None


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the answer is known for this machine only")
def test_an_x86_machine_is_amd64() -> None:
    assert values.native_platform() == "linux/amd64"


# Settings


def test_stacks_can_be_none(tmp_path: Path) -> None:
    assert load(tmp_path, {"stacks": "none"}).stacks == ()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("instance_id", "Mine"),
        ("instance_id", "-mine"),
        ("instance_id", "mine$(id)"),
        ("instance_id", "my instance"),
        ("instance_id", "mine\nyours"),
        ("instance_id", 'mine"'),
        ("instance_id", "../mine"),
        ("account", "12345678901"),
        ("account", "12345678901x"),
        ("region", "eu-west"),
        ("region", "-eu-west-2"),
        ("docker_registry", "https://127.0.0.1:5000"),
        ("docker_registry", "-x"),
        ("docker_registry", "a b"),
        ("repo_prefix", "127.0.0.1:5000"),
        ("repo_prefix", "127.0.0.1:5000/"),
        ("repo_prefix", "a.example/-x"),
        ("registry", "docker"),
        ("version", "-1"),
        ("version", "1.0 beta"),
        ("version", "1/0"),
        ("platform", "amd64"),
        ("platform", "linux/aarch64"),
        ("stacks", "Ingest Stack"),
        ("stacks", ","),
        ("images", "-x"),
        ("images", "$(id)"),
        ("lambda_deploy_type", "zip"),
        ("builder", "-x"),
        ("builder_driver", "containerd"),
        ("builder_options", "network"),
        ("builder_options", "-o=x"),
        ("aws_endpoint_url", "127.0.0.1:1"),
        ("aws_endpoint_url", "http://user:secret@127.0.0.1:1"),
        ("parallel", "0"),
        ("parallel", "many"),
        ("wait", "-1"),
        ("force", "perhaps"),
        ("base", "refrseh"),
        ("target", "sandbx"),
        ("scripts_dir", "a\x00b"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name_and_origin(tmp_path: Path, variable: str, text: str) -> None:
    shown = text.replace("user:secret", "***")
    message = refusal(tmp_path, {variable: text}).message
    assert message.startswith(f"{variable.upper()}={shown!r} (command line): ")
    assert "\n" not in message


def test_a_suggestion_ends_the_fault_of_a_mistyped_word(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"target": "sandbx"}).message.endswith("did you mean 'sandbox'?")


@pytest.mark.parametrize("name", ["instance_properties", "builder_config"])
def test_a_file_that_is_named_and_not_there_is_refused(tmp_path: Path, name: str) -> None:
    assert "absent" in refusal(tmp_path, {name: "absent"}).message


def test_native_is_this_machines_platform(tmp_path: Path) -> None:
    assert load(tmp_path, {"platform": "native"}).platform == values.native_platform()


def test_a_path_is_shown_without_detours(tmp_path: Path) -> None:
    found = load(tmp_path, {"scripts_dir": "../sleeper/scripts"}, initial_directory=tmp_path / "images")
    assert found.scripts_dir == tmp_path / "sleeper" / "scripts"


def test_a_detour_by_way_of_a_link_is_taken_as_the_file_system_takes_it(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    found = load(tmp_path, {"scripts_dir": "link/../scripts"})
    assert found.scripts_dir.resolve() == tmp_path / "far" / "scripts"
