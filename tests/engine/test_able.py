from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.engine import able, made
from tasks.engine.nodes import parse
from tests.engine.test_builders import StandIn

STARRED = "Name: a\nDriver: remote\n\nNodes:\nName: a0\nStatus: running\nPlatforms: linux/amd64*, linux/arm64*\n"
PLAIN = STARRED.replace("*", "").replace("linux/arm64", "linux/386")


def test_the_platforms_that_a_builder_lacks_are_named() -> None:
    found = parse(STARRED.replace("*", ""))
    assert able.lacking("a", found, ["linux/amd64", "linux/arm64/v8", "linux/s390x"], {}) == {"linux/s390x"}


@pytest.mark.parametrize("text", [STARRED, "Name: a\nDriver: docker\n"])
def test_a_builder_that_does_not_say_its_platforms_lacks_none(text: str) -> None:
    wanted = ["linux/amd64"]
    assert able.lacking("a", parse(text), wanted, {"PATH": "/nowhere", "BUILDX_CONFIG": "/nowhere"}) == set()


def described(docker: StandIn, **values: object) -> Path:
    path = made.instance_path("a", docker.environment)
    path.parent.mkdir(parents=True)
    node = {"Name": "a0", "Platforms": [{"os": "linux", "architecture": "arm64"}], "Files": {"key.pem": "c2VjcmV0"}}
    path.write_text(json.dumps({"Name": "a", "Nodes": [{**node, **values}]}))
    return path


def test_a_platform_that_a_node_was_only_created_for_is_asked_of_buildkit(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect a": (0, PLAIN, "")})
    path = described(docker)
    before = path.read_bytes()
    assert able.lacking("a", parse(STARRED), ["linux/amd64", "linux/arm64"], docker.environment) == {"linux/arm64"}
    assert path.read_bytes() == before


def test_the_question_takes_no_file_of_the_builder_along(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect a": (0, PLAIN, "")})
    described(docker)
    program = tmp_path / "docker"
    program.write_text(
        program.read_text().replace("case", f'cat "$BUILDX_CONFIG"/instances/a > {tmp_path}/copy\ncase', 1)
    )
    able.lacking("a", parse(STARRED), ["linux/arm64"], docker.environment)
    copy = (tmp_path / "copy").read_text()
    assert "a0" in copy
    assert "c2VjcmV0" not in copy


def test_a_platform_is_judged_by_the_node_that_buildx_will_choose(tmp_path: Path) -> None:
    """The other node could run it, but the first was created for it."""
    starred = STARRED + "\nName: a1\nStatus: running\nPlatforms: linux/386\n"
    plain = PLAIN + "\nName: a1\nStatus: running\nPlatforms: linux/arm64\n"
    docker = StandIn(tmp_path, {"buildx inspect a": (0, plain, "")})
    described(docker)
    assert able.lacking("a", parse(starred), ["linux/arm64", "linux/386"], docker.environment) == {"linux/arm64"}
