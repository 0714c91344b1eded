from __future__ import annotations

from pathlib import Path

import pytest

from tasks.engine.alive import Alive, gone
from tasks.engine.buildx import Engine
from tasks.errors import BuildError, EngineGoneError
from tests.engine.test_builders import StandIn
from tests.engine.test_nodes import RUNNING

DEAD = (
    "Name: a\nDriver: \nError: Cannot connect to the Docker daemon at unix:///x.sock. Is the docker daemon running?\n"
)


def fail() -> None:
    raise BuildError("the build failed")


def test_a_build_that_fails_while_the_engine_answers_keeps_its_own_error() -> None:
    with pytest.raises(BuildError, match="the build failed"):
        Alive(lambda: None).build(fail)


def test_an_engine_that_is_gone_is_one_fault_and_is_asked_once() -> None:
    asked = []

    def ask() -> EngineGoneError:
        asked.append(1)
        return EngineGoneError("gone")

    alive, told = Alive(ask), []
    for build in (fail, fail, lambda: None):
        with pytest.raises(EngineGoneError) as fault:
            alive.build(build)
        told.append(str(fault.value))
    assert (told, asked) == (["gone"] * 3, [1])


@pytest.mark.parametrize(
    ("answer", "driver", "said"),
    [
        ((0, RUNNING, ""), "docker-container", ""),
        ((0, RUNNING.replace("running", "stopped"), ""), "docker-container", ""),
        ((0, RUNNING.replace("running", "inactive"), ""), "remote", "the builder a (remote) no longer answers"),
        ((0, DEAD, ""), "docker", "the Docker engine no longer answers\n    Cannot connect"),
        ((1, "", "ERROR: no builder a found"), "docker-container", "the builder a (docker-container) no longer"),
        ((130, "", ""), "docker", ""),
    ],
)
def test_a_builder_is_gone_where_it_will_build_nothing_more(
    tmp_path: Path, answer: tuple[int, str, str], driver: str, said: str
) -> None:
    found = gone(Engine("a", driver), StandIn(tmp_path, {"buildx inspect a": answer}).environment)
    assert (found.message if found else "").startswith(said)
    assert (found is None) == (said == "")
