from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.engine import minimum
from tasks.errors import CommandError, EngineError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("github.com/docker/buildx v0.13.1 788433953af10f2a698f5c07611dddce2e08c7a0\n", (0, 13)),
        ("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3\n", (0, 13)),
        ("github.com/docker/buildx v1.2.0-rc1 x\n", (1, 2)),
        ("github.com/docker/buildx v0.9.1-docker 0\n", (0, 9)),
        ("github.com/docker/buildx unknown x\n", None),
        ("", None),
    ],
)
def test_the_version_of_buildx_is_read_as_each_package_prints_it(text: str, expected: tuple[int, int] | None) -> None:
    assert minimum.version(text) == expected


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A PATH on which only a docker of a test's own is found."""
    return {"PATH": f"{tmp_path}:{os.defpath}", "FOLDER": str(tmp_path)}


def docker(environment: dict[str, str], script: str) -> None:
    path = Path(environment["FOLDER"]) / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_buildx_of_no_known_version_is_taken_as_it_is(environment: dict[str, str]) -> None:
    docker(environment, 'echo "github.com/docker/buildx unknown x"')
    minimum.check_engine(environment)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            '[ "$1" = version ] || exit 0; echo no such socket >&2; exit 1',
            "(?s)no Docker engine answers.*no such socket",
        ),
        ('[ "$1" = buildx ] || exit 0; echo unknown command >&2; exit 1', "(?s)docker has no buildx.*unknown command"),
        ('[ "$1" = buildx ] || exit 0; echo x v0.9.1 y', "buildx is 0.9, and must be 0.10 or newer"),
    ],
)
def test_what_cannot_build_is_told_with_its_reason(environment: dict[str, str], script: str, reason: str) -> None:
    docker(environment, script)
    with pytest.raises(EngineError, match=reason) as caught:
        minimum.check_engine(environment)
    assert caught.value.next_step


def test_a_builder_elsewhere_needs_no_engine_here(environment: dict[str, str]) -> None:
    docker(environment, '[ "$1" = buildx ] || exit 1; echo x v0.13.1 y')
    minimum.check_engine(environment, engine=False)


def test_without_docker_there_is_nothing_to_ask(environment: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="docker could not be started"):
        minimum.check_engine({**environment, "PATH": environment["FOLDER"]})


def test_a_directory_that_docker_sees_is_one_to_write_to(environment: dict[str, str], tmp_path: Path) -> None:
    docker(environment, '[ "$*" = "context show" ] && grep -so sleeper-images-sees "$DOCKER_CONFIG/config.json"')
    minimum.check_sees(tmp_path, environment, setting="TMPDIR")
    assert [path.name for path in tmp_path.iterdir()] == ["docker"]


@pytest.mark.parametrize("setting", ["TMPDIR", "STATE_DIR"])
def test_a_directory_that_docker_does_not_see_is_named_with_its_setting(
    environment: dict[str, str], tmp_path: Path, setting: str
) -> None:
    docker(environment, "echo default")
    with pytest.raises(EngineError, match=f"does not see the files below {tmp_path}: .*snap") as fault:
        minimum.check_sees(tmp_path, environment, setting=setting)
    assert f"set {setting} to that directory" in fault.value.next_step


def test_another_engine_chosen_by_a_variable_does_not_hide_what_docker_sees(
    environment: dict[str, str], tmp_path: Path
) -> None:
    docker(environment, 'echo "${DOCKER_HOST}${DOCKER_CONTEXT}sleeper-images-sees"')
    minimum.check_sees(tmp_path, {**environment, "DOCKER_HOST": "x", "DOCKER_CONTEXT": "y"}, setting="TMPDIR")
