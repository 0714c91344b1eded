from __future__ import annotations

import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.engine import unanswered

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
    assert step in unanswered.next_step(said, {"HOME": "/nowhere", **variables})


@pytest.mark.parametrize(
    "said",
    [
        NOT_THERE.format(SYSTEM),
        f"failed to connect to the docker API at unix://{SYSTEM}; check if the path is correct",
        f"Cannot connect to the Docker daemon at unix://{SYSTEM}",
    ],
)
def test_the_systems_engine_is_started_whichever_words_say_that_it_does_not_run(said: str) -> None:
    assert unanswered.is_told_by(said)
    assert unanswered.next_step(said, {"HOME": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere"}).startswith(
        ("start Docker (sudo ", "start Docker Desktop")
    )


@pytest.mark.parametrize("words", ["Docker daemon socket", "docker API"])
def test_a_refused_socket_is_named_whichever_words_say_so(words: str) -> None:
    said = f"permission denied while trying to connect to the {words} at unix:///nowhere/x.sock: Get y: denied"
    assert unanswered.is_told_by(said)
    assert "ls -l /nowhere/x.sock" in unanswered.next_step(said, {})


def test_a_context_of_docker_desktop_says_to_start_that(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "desktop-linux"}')
    environment = {"DOCKER_CONFIG": str(tmp_path), "HOME": "/nowhere"}
    assert "start Docker Desktop" in unanswered.next_step(NOT_THERE.format("/x.sock"), environment)


def test_an_engine_that_listens_elsewhere_on_this_machine_is_named(tmp_path: Path) -> None:
    listening = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(listening))
        step = unanswered.next_step(NOT_THERE.format("/x.sock"), {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": "/nowhere"})
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
    step = unanswered.next_step(DENIED.format(engines_socket), {})
    assert step.startswith(f"sudo usermod -aG {group} $USER, then log in again")


def test_a_socket_for_root_alone_is_no_matter_of_a_group_to_join(engines_socket: Path) -> None:
    assert "dockerd with --group docker" in unanswered.next_step(DENIED.format(engines_socket), {})


def test_another_users_engine_is_not_to_be_joined(engines_socket: Path) -> None:
    os.chown(engines_socket, 65_534, 65_534)
    assert "choose an engine of your own" in unanswered.next_step(DENIED.format(engines_socket), {})


def test_a_socket_that_cannot_be_looked_at_is_named() -> None:
    assert "ls -l /nowhere/x.sock" in unanswered.next_step(DENIED.format("/nowhere/x.sock"), {})
