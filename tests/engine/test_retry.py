from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tasks.engine import buildx
from tasks.engine.buildx import Engine
from tasks.engine.retry import Alive, build, gone
from tasks.errors import BuildError, EngineGoneError
from tasks.reference import Digest
from tasks.system.backoff import Budget
from tests.engine.test_builders import StandIn
from tests.engine.test_failure import BUSY, CACHE, LOGIN, NEITHER, PUSH
from tests.engine.test_nodes import RUNNING

DIGEST = Digest("sha256:" + "0" * 64)


class Builds:
    """Fails with these last lines, one after another, then succeeds."""

    def __init__(self, *said: str) -> None:
        self.said, self.calls, self.waited, self.renewed = list(said), 0, list[float](), 0
        self.cached = list[bool]()

    def run(self, argv: Sequence[str]) -> Digest:
        self.calls += 1
        self.cached.append("--no-cache" not in argv)
        if self.said:
            raise BuildError("the build failed", "fix it", said=self.said.pop(0))
        return DIGEST

    def renew(self) -> None:
        self.renewed += 1

    def retrying(self, budget: Budget) -> tuple[Digest, str]:
        clock: Callable[[], float] = lambda: sum(self.waited)  # noqa: E731  # Only waits take time here.
        return build(
            ["docker", "buildx", "build", "context"],
            self.run,
            renew=self.renew,
            budget=budget,
            sleep=self.waited.append,
            clock=clock,
            jitter=lambda: 1.0,
        )


BUDGET = Budget(attempts=3, seconds=100, first_wait=2, longest_wait=8)


def test_a_build_that_succeeds_is_not_told_of() -> None:
    assert Builds().retrying(BUDGET) == (DIGEST, "")


def test_a_busy_registry_is_asked_again_after_a_wait_that_grows() -> None:
    builds = Builds(BUSY[0], BUSY[1])
    assert builds.retrying(BUDGET) == (DIGEST, "the registry accepted the push at attempt 3")
    assert builds.waited == [2, 4]


def test_the_attempts_end_with_what_to_do() -> None:
    builds = Builds(*BUSY)
    with pytest.raises(BuildError, match="the build failed") as fault:
        builds.retrying(BUDGET)
    assert (builds.calls, fault.value.next_step.partition(":")[0]) == (3, "run again later")


def test_no_attempt_is_begun_beyond_the_budgets_seconds() -> None:
    builds = Builds(*BUSY)
    with pytest.raises(BuildError):
        builds.retrying(Budget(attempts=99, seconds=5, first_wait=2, longest_wait=8))
    assert builds.waited == [2]


def test_a_refused_login_is_renewed_once_and_tried_at_once() -> None:
    builds = Builds(LOGIN[0])
    assert builds.retrying(BUDGET)[0] == DIGEST
    assert (builds.renewed, builds.waited) == (1, [])


def test_a_login_that_is_refused_again_is_an_error() -> None:
    builds = Builds(LOGIN[0], LOGIN[1])
    with pytest.raises(BuildError, match="the build failed") as fault:
        builds.retrying(BUDGET)
    assert (builds.renewed, builds.calls, fault.value.next_step) == (1, 2, "fix it")


HIDDEN = f"{PUSH}server message: insufficient_scope: authorization failed"


def test_a_repository_that_is_hidden_until_its_manifest_is_there_is_waited_for() -> None:
    builds = Builds(HIDDEN, HIDDEN)
    assert builds.retrying(BUDGET) == (DIGEST, "the registry accepted the push at attempt 2")
    assert (builds.renewed, builds.waited) == (1, [2])


def test_a_right_that_is_missing_is_an_error_after_the_last_attempt() -> None:
    builds = Builds(*[HIDDEN] * 9)
    with pytest.raises(BuildError) as fault:
        builds.retrying(BUDGET)
    assert (builds.renewed, builds.calls, fault.value.next_step) == (1, 4, "fix it")


@pytest.mark.parametrize("said", CACHE)
def test_a_lost_cache_is_done_without_at_once(said: str) -> None:
    builds = Builds(said)
    assert builds.retrying(BUDGET) == (DIGEST, "built without BuildKit's cache, as a part of it was lost")
    assert (builds.cached, builds.waited) == ([True, False], [])


def test_a_push_that_is_refused_after_a_lost_cache_is_built_without_it_again() -> None:
    builds = Builds(CACHE[0], BUSY[0])
    digest, note = builds.retrying(BUDGET)
    assert digest == DIGEST
    assert note.endswith("; the registry accepted the push at attempt 2")
    assert builds.cached == [True, False, False]


def test_a_cache_that_is_lost_even_without_it_is_an_error() -> None:
    builds = Builds(*CACHE)
    with pytest.raises(BuildError):
        builds.retrying(BUDGET)
    assert builds.cached == [True, False]


@pytest.mark.parametrize("said", NEITHER)
def test_a_build_with_another_fault_is_not_tried_again(said: str) -> None:
    builds = Builds(said)
    with pytest.raises(BuildError):
        builds.retrying(BUDGET)
    assert builds.calls == 1


LOSING = """
import json, sys
if "--no-cache" not in sys.argv:
    sys.exit(sys.argv[2])
open(sys.argv[1], "w").write(json.dumps({"containerimage.digest": sys.argv[3]}))
"""


def test_a_build_whose_cache_is_lost_is_run_again_without(tmp_path: Path) -> None:
    metadata = tmp_path / "metadata.json"
    run = functools.partial(
        buildx.build, image="ingest", environment=os.environ, metadata=metadata, log=tmp_path / "log"
    )
    digest, note = build([sys.executable, "-c", LOSING, str(metadata), CACHE[0], str(DIGEST), "context"], run)
    assert (digest, "without BuildKit's cache" in note) == (DIGEST, True)


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
    for one in (fail, fail, lambda: None):
        with pytest.raises(EngineGoneError) as fault:
            alive.build(one)
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
