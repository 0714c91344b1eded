from __future__ import annotations

import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine import daemon
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
    assert daemon.buildx_version(text) == expected


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
    daemon.check_engine(environment)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            '[ "$1" = version ] || exit 0; echo no such socket >&2; exit 1',
            "(?s)no Docker engine answers.*no such socket",
        ),
        ('[ "$1" = buildx ] || exit 0; echo unknown command >&2; exit 1', "(?s)docker has no buildx.*unknown command"),
        ('[ "$1" = buildx ] || exit 0; echo x v0.12.1 y', "buildx must be 0.13 or newer; 0.12 is installed"),
    ],
)
def test_what_cannot_build_is_told_with_its_reason(environment: dict[str, str], script: str, reason: str) -> None:
    docker(environment, script)
    with pytest.raises(EngineError, match=reason) as caught:
        daemon.check_engine(environment)
    assert caught.value.next_step


def test_a_builder_elsewhere_needs_no_engine_here(environment: dict[str, str]) -> None:
    docker(environment, '[ "$1" = buildx ] || exit 1; echo x v0.13.1 y')
    daemon.check_engine(environment, engine=False)


def test_without_docker_there_is_nothing_to_ask(environment: dict[str, str]) -> None:
    with pytest.raises(CommandError, match="docker could not be started"):
        daemon.check_engine({**environment, "PATH": environment["FOLDER"]})


def test_a_directory_that_docker_sees_is_one_to_write_to(environment: dict[str, str], tmp_path: Path) -> None:
    docker(environment, '[ "$*" = "context show" ] && grep -so sleeper-images-sees "$DOCKER_CONFIG/config.json"')
    daemon.check_sees(tmp_path, environment, setting="TMPDIR")
    assert [path.name for path in tmp_path.iterdir()] == ["docker"]


@pytest.mark.parametrize("setting", ["TMPDIR", "STATE_DIR"])
def test_a_directory_that_docker_does_not_see_is_named_with_its_setting(
    environment: dict[str, str], tmp_path: Path, setting: str
) -> None:
    docker(environment, "echo default")
    with pytest.raises(EngineError, match=f"cannot read the files below {tmp_path}: .*snap") as fault:
        daemon.check_sees(tmp_path, environment, setting=setting)
    assert f"set {setting} to that directory" in fault.value.next_step


def test_another_engine_chosen_by_a_variable_does_not_hide_what_docker_sees(
    environment: dict[str, str], tmp_path: Path
) -> None:
    docker(environment, 'echo "${DOCKER_HOST}${DOCKER_CONTEXT}sleeper-images-sees"')
    daemon.check_sees(tmp_path, {**environment, "DOCKER_HOST": "x", "DOCKER_CONTEXT": "y"}, setting="TMPDIR")


NOT_THERE = "Cannot connect to the Docker daemon at unix://{}. Is the docker daemon running?"
DENIED = (
    "permission denied while trying to connect to the Docker daemon socket at unix://{0}: "
    'Get "http://%2Fx/v1.50/version": dial unix {0}: connect: permission denied'
)
SYSTEM = "/var/run/docker.sock"


@pytest.mark.parametrize(
    ("said", "variables", "step"),
    [
        (NOT_THERE.format("/run/user/1000/docker.sock"), {}, "systemctl --user start docker)"),
        (NOT_THERE.format("/home/me/.docker/desktop/docker.sock"), {}, "start Docker Desktop"),
        (NOT_THERE.format("/Users/me/.docker/run/docker.sock"), {}, "start Docker Desktop"),
        (NOT_THERE.format("/Users/me/.colima/default/docker.sock"), {}, "colima start"),
        (NOT_THERE.format("/Users/me/.rd/docker.sock"), {}, "Rancher Desktop"),
        (NOT_THERE.format("/elsewhere.sock"), {"DOCKER_HOST": "unix:///elsewhere.sock"}, "unset DOCKER_HOST"),
        (
            "Cannot connect to the Docker daemon at tcp://h:1.",
            {"DOCKER_HOST": "tcp://me:pw@h:1"},
            "engine at tcp://h:1,",
        ),
        (
            (
                'error during connect: Get "http://docker.example.com/v1.50/version": command [ssh -- h docker system '
                "dial-stdio] has exited with exit status 255, stderr=me@h: Permission denied (publickey)"
            ),
            {"DOCKER_HOST": "ssh://h"},
            "`ssh HOST docker version` works",
        ),
        (
            'Failed to initialize: unable to resolve docker endpoint: context "gone": context not found: open /x',
            {},
            "docker context use default",
        ),
        (
            'Failed to initialize: unable to resolve docker endpoint: context "gone": context not found: open /x',
            {"DOCKER_CONTEXT": "gone"},
            "unset DOCKER_CONTEXT",
        ),
        (
            "Failed to initialize: unable to resolve docker endpoint: open /home/me/.docker/ca.pem: no such file",
            {"DOCKER_HOST": "tcp://h:1", "DOCKER_TLS_VERIFY": "1"},
            "DOCKER_CERT_PATH",
        ),
        (
            "Error response from daemon: client version 1.20 is too old. Minimum supported API version is 1.24",
            {},
            "install a newer docker",
        ),
    ],
)
def test_each_reason_why_no_engine_answers_has_its_own_next_step(
    said: str, variables: dict[str, str], step: str
) -> None:
    assert step in daemon.next_step(said, {"HOME": "/nowhere", **variables})


@pytest.mark.parametrize(
    "said",
    [
        NOT_THERE.format(SYSTEM),
        f"failed to connect to the docker API at unix://{SYSTEM}; check if the path is correct",
        f"Cannot connect to the Docker daemon at unix://{SYSTEM}",
    ],
)
def test_the_systems_engine_is_started_whichever_words_say_that_it_does_not_run(said: str) -> None:
    assert daemon.is_unreachable(said)
    assert daemon.next_step(said, {"HOME": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere"}).startswith(
        ("start Docker (sudo ", "start Docker Desktop")
    )


@pytest.mark.parametrize("words", ["Docker daemon socket", "docker API"])
def test_a_refused_socket_is_named_whichever_words_say_so(words: str) -> None:
    said = f"permission denied while trying to connect to the {words} at unix:///nowhere/x.sock: Get y: denied"
    assert daemon.is_unreachable(said)
    assert "ls -l /nowhere/x.sock" in daemon.next_step(said, {})


def test_a_context_of_docker_desktop_says_to_start_that(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "desktop-linux"}')
    environment = {"DOCKER_CONFIG": str(tmp_path), "HOME": "/nowhere"}
    assert "start Docker Desktop" in daemon.next_step(NOT_THERE.format("/x.sock"), environment)


def test_an_engine_that_listens_elsewhere_on_this_machine_is_named(tmp_path: Path) -> None:
    listening = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(listening))
        step = daemon.next_step(NOT_THERE.format("/x.sock"), {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/nowhere"})
    assert "export DOCKER_HOST=unix://" in step


@pytest.fixture
def engines_socket(tmp_path: Path) -> Iterator[Path]:
    """A socket as dockerd makes it: of root and a group of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root may give a file to a group")
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o660)
        yield path


def give(path: Path, *, members: bool) -> str:
    """Give a file to a group that root is in by the system's list, or is not; return the group's name."""
    groups = (one for one in grp.getgrall() if one.gr_gid != 0 and ("root" in one.gr_mem) == members)
    found = next(groups, None)
    if found is None:
        pytest.skip("there is no such group here")
    os.chown(path, 0, found.gr_gid)
    return found.gr_name


def test_a_user_outside_the_sockets_group_is_told_to_join_it(engines_socket: Path) -> None:
    group = give(engines_socket, members=False)
    step = daemon.next_step(DENIED.format(engines_socket), {})
    assert step.startswith(f"sudo usermod -aG {group} $USER, then log in again")


def test_a_socket_for_root_alone_is_no_matter_of_a_group_to_join(engines_socket: Path) -> None:
    assert "dockerd with --group docker" in daemon.next_step(DENIED.format(engines_socket), {})


def test_another_users_engine_is_not_to_be_joined(engines_socket: Path) -> None:
    os.chown(engines_socket, 65_534, 65_534)
    assert "choose an engine of your own" in daemon.next_step(DENIED.format(engines_socket), {})


def test_a_socket_that_cannot_be_looked_at_is_named() -> None:
    assert "ls -l /nowhere/x.sock" in daemon.next_step(DENIED.format("/nowhere/x.sock"), {})
