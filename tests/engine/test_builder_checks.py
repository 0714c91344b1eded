from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.engine import builder_checks, builder_records
from tasks.engine.buildx import Engine
from tasks.engine.nodes import Inspected, InspectedNode, parse
from tasks.reference import Registry
from tests.engine.test_builders import StandIn

STARRED = "Name: a\nDriver: remote\n\nNodes:\nName: a0\nStatus: running\nPlatforms: linux/amd64*, linux/arm64*\n"
PLAIN = STARRED.replace("*", "").replace("linux/arm64", "linux/386")


def test_the_platforms_that_a_builder_lacks_are_named() -> None:
    found = parse(STARRED.replace("*", ""))
    assert builder_checks.lacking("a", found, ["linux/amd64", "linux/arm64/v8", "linux/s390x"], {}) == {"linux/s390x"}


@pytest.mark.parametrize("text", [STARRED, "Name: a\nDriver: docker\n"])
def test_a_builder_that_does_not_say_its_platforms_lacks_none(text: str) -> None:
    wanted = ["linux/amd64"]
    assert builder_checks.lacking("a", parse(text), wanted, {"PATH": "/nowhere", "BUILDX_CONFIG": "/nowhere"}) == set()


def described(docker: StandIn, **values: object) -> Path:
    path = builder_records.instance_path("a", docker.environment)
    path.parent.mkdir(parents=True)
    node = {"Name": "a0", "Platforms": [{"os": "linux", "architecture": "arm64"}], "Files": {"key.pem": "c2VjcmV0"}}
    path.write_text(json.dumps({"Name": "a", "Nodes": [{**node, **values}]}))
    return path


def test_a_platform_that_a_node_was_only_created_for_is_asked_of_buildkit(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect a": (0, PLAIN, "")})
    path = described(docker)
    before = path.read_bytes()
    assert builder_checks.lacking("a", parse(STARRED), ["linux/amd64", "linux/arm64"], docker.environment) == {
        "linux/arm64"
    }
    assert path.read_bytes() == before


def test_the_question_takes_no_file_of_the_builder_along(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect a": (0, PLAIN, "")})
    described(docker)
    program = tmp_path / "docker"
    program.write_text(
        program.read_text().replace("case", f'cat "$BUILDX_CONFIG"/instances/a > {tmp_path}/copy\ncase', 1)
    )
    builder_checks.lacking("a", parse(STARRED), ["linux/arm64"], docker.environment)
    copy = (tmp_path / "copy").read_text()
    assert "a0" in copy
    assert "c2VjcmV0" not in copy


def test_a_platform_is_judged_by_the_node_that_buildx_will_choose(tmp_path: Path) -> None:
    """The other node could run it, but the first was created for it."""
    starred = STARRED + "\nName: a1\nStatus: running\nPlatforms: linux/386\n"
    plain = PLAIN + "\nName: a1\nStatus: running\nPlatforms: linux/arm64\n"
    docker = StandIn(tmp_path, {"buildx inspect a": (0, plain, "")})
    described(docker)
    assert builder_checks.lacking("a", parse(starred), ["linux/arm64", "linux/386"], docker.environment) == {
        "linux/arm64"
    }


LOCAL = Registry("127.0.0.1:5000")
APART, HOST = (), (("network", "host"),)
NOWHERE = {"PATH": "/nowhere"}
"""An environment in which no docker is found: what needs no question is known without one."""


def inspected(driver: str, *networks: tuple[tuple[str, str], ...]) -> Inspected:
    return Inspected(driver, tuple(InspectedNode(f"a{n}", "", options) for n, options in enumerate(networks)))


@pytest.mark.parametrize(
    ("driver", "networks"),
    [("docker-container", (APART,)), ("docker-container", (HOST, APART)), ("kubernetes", (APART,))],
)
def test_a_container_with_its_own_loopback_does_not_reach_this_machines(
    driver: str, networks: tuple[tuple[tuple[str, str], ...], ...]
) -> None:
    error = builder_checks.unreachable(Engine("a", driver, ours=True), inspected(driver, *networks), LOCAL, NOWHERE)
    assert error is not None
    assert error.message.startswith(f"the builder a ({driver}) cannot reach the registry 127.0.0.1:5000")
    assert len(error.message.splitlines()) == 1


def test_the_option_to_set_is_named_for_a_builder_that_can_be_made_anew() -> None:
    error = builder_checks.unreachable(
        Engine("a", "docker-container", ours=True), inspected("docker-container", APART), LOCAL, NOWHERE
    )
    assert error is not None
    assert error.next_step.startswith("set builder_options=network=host")


def test_for_somebody_elses_builder_another_way_is_named() -> None:
    error = builder_checks.unreachable(
        Engine("corp", "docker-container"), inspected("docker-container", APART), LOCAL, NOWHERE
    )
    assert error is not None
    assert "leave BUILDER out" in error.next_step


SAID = (
    "ERROR: failed to solve: h/x@sha256:00: failed to resolve source metadata for h/x@sha256:00: failed to do request: "
    'Head "https://h/v2/x/manifests/sha256:00": '
)


@pytest.mark.parametrize(
    "reason",
    [
        "dial tcp 127.0.0.1:5000: connect: connection refused",
        "dial tcp: lookup h on 10.0.0.1:53: no such host",
        "dial tcp 10.0.0.1:443: i/o timeout",
        "http: server gave HTTP response to HTTPS client",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
        "EOF",
    ],
)
def test_a_request_that_got_no_answer_has_a_reason(reason: str) -> None:
    assert builder_checks.reason(SAID + reason) == reason


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ERROR: failed to solve: h/x@sha256:00: not found",
        "ERROR: failed to solve: h/x@sha256:00: unexpected status from HEAD request to http://h/v2/x: 401 Unauthorized",
        (
            "ERROR: failed to solve: h/x: pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        ),
        "ERROR: failed to solve: h/x: no basic auth credentials",
    ],
)
def test_any_answer_of_the_registry_shows_that_it_is_reached(said: str) -> None:
    assert builder_checks.reason(said) == ""


def test_a_token_server_out_of_reach_is_one_that_gives_no_answer() -> None:
    said = 'ERROR: failed to authorize: failed to fetch anonymous token: Get "https://t/?s=x": dial tcp: no such host'
    assert builder_checks.reason(said) == "dial tcp: no such host"


@pytest.mark.parametrize(
    ("said", "driver", "step"),
    [
        ("x509: unknown authority", "docker-container", '[registry."h"] and ca='),
        ("x509: unknown authority", "docker", "/etc/docker/certs.d/h/ca.crt"),
        ("server gave HTTP response to HTTPS client", "docker-container", "http=true"),
        ("server gave HTTP response to HTTPS client", "docker", '"insecure-registries": ["h"]'),
        ("no such host", "docker-container", "builder_options=network=host"),
        ("proxyconnect tcp", "docker", "the engine's proxy"),
        ("no such host", "docker", "DNS"),
        ("x509: unknown authority", "remote", "the builder's machine can connect to h"),
    ],
)
def test_each_reason_has_its_remedy_by_driver(said: str, driver: str, step: str) -> None:
    assert step in builder_checks.next_step(said, Engine("a", driver, ours=True), Registry("h"))
