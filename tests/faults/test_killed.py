"""`kill -9` at random moments of a run of twenty images; KILLS says how many, SEED which."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time

import pytest

from tests.faults import processes
from tests.faults.place import Place
from tests.faults.truth import IMAGES

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("KILLS", "5"))
SEED = int(os.environ.get("SEED", "20260101"))


def moments() -> list[tuple[int, float, bool]]:
    """Return the parts of a run after which it is killed, and whether its children are killed with it."""
    chance = random.Random(SEED)  # noqa: S311  # Variety, not secrecy.
    return [(number, chance.uniform(0.02, 1.0), number % 2 == 1) for number in range(KILLS)]


@pytest.fixture(scope="module")
def length(pushed: Place) -> float:
    """How long a run of twenty images takes here."""
    pushed.truth.edit()
    begun = time.monotonic()
    pushed.repair()
    return time.monotonic() - begun


@pytest.mark.parametrize(("number", "part", "everything"), moments(), ids=[f"{m[0]}: {m[1]:.2f}" for m in moments()])
def test_a_run_that_is_killed_is_finished_by_the_next(
    pushed: Place, length: float, number: int, part: float, everything: bool
) -> None:
    project, truth = pushed.project, pushed.truth
    before = truth.tagged()
    truth.edit()
    running = project.start("push_all")
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.wait(part * length)
    processes.kill([running.pid, *(processes.of(project.root) if everything else ())])
    running.communicate()
    truth.check()
    there = {image for image, tags in truth.tagged().items() if tags - before[image]}
    again = pushed.repair()
    assert again.built == {image.name for image in IMAGES} - there
    print(f"{number}: killed at {part:.2f}, {len(there)} there, {len(again.built)} built again")  # noqa: T201  # pytest -s
    assert truth.settled()
    assert project.push_all().counts == (0, 0)
    assert [path for path in (project.state / "contexts").rglob("*") if path.is_file()] == []
