"""SIGINT and SIGTERM at several moments of a real run, to the whole process group or to doit alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.system import signals
from tasks.system.processes import INTERRUPT_SECONDS, TERMINATE_SECONDS
from tests.faults import processes, proxy
from tests.faults.place import Place
from tests.faults.proxy import FOR_EVER, Fault
from tests.waiting import await_until

pytestmark = pytest.mark.integration

PATIENCE = INTERRUPT_SECONDS + TERMINATE_SECONDS
"""After this no child may be left; a child that reacts to the first signal ends much earlier."""

Moment = Callable[[Place], bool]


def met(place: Place) -> bool:
    return place.met() > 0


def third_tag(place: Place) -> bool:
    return sum(one.step == "ours: PUT version tag" for one in place.registry.asked) >= 3


MOMENTS: dict[str, tuple[list[Fault], Moment]] = {
    "while the registry is silent": ([Fault("silent", proxy.SILENT, "ours: HEAD inputs tag", times=FOR_EVER)], met),
    "in the preflight": ([Fault("silent", proxy.SILENT, "ours: POST uploads", times=FOR_EVER)], met),
    "while BuildKit uploads": ([Fault("slow", proxy.SILENT, "buildkit: PUT uploads", "ingest", FOR_EVER)], met),
    "while we tag": ([Fault("slow", proxy.SILENT, "ours: PUT version tag", "ingest", FOR_EVER)], met),
    "after the third": ([], third_tag),
}


def interrupted(place: Place, moment: Moment, number: signal.Signals, *, group: bool) -> tuple[int, str, float]:
    running = place.project.start("push_all")
    await_until(lambda: moment(place), 60, running=running)
    begun = time.monotonic()
    (os.killpg if group else os.kill)(running.pid, number)
    output, _ = running.communicate(timeout=60)
    return running.returncode, output, time.monotonic() - begun


def test_a_signal_ends_a_run_with_another_driver(bridged: Place) -> None:
    faults, reached = MOMENTS["while BuildKit uploads"]
    bridged.script(*map(again, faults))
    ended, output, _ = interrupted(bridged, reached, signal.SIGINT, group=True)
    assert ended == 130, output
    finished_by_the_next(bridged)


def test_a_run_that_is_killed_with_another_driver_is_finished_by_the_next(bridged: Place) -> None:
    faults, reached = MOMENTS["while BuildKit uploads"]
    bridged.script(*map(again, faults))
    running = bridged.project.start("push_all")
    await_until(lambda: reached(bridged), 60, running=running)
    processes.kill([running.pid, *processes.of(bridged.project.root)])
    running.communicate()
    finished_by_the_next(bridged)


def finished_by_the_next(place: Place) -> None:
    """See that nothing runs any more and no tag is wrong, and that the next run builds only what is left."""
    assert processes.gone(place.project.root) == {}
    place.truth.check()
    there = {image for image, tags in place.truth.tagged().items() if tags}
    assert place.repair().built & there == set()


def again(fault: Fault) -> Fault:
    return Fault(fault.name, fault.action, fault.step, fault.repository, fault.times)


@pytest.mark.parametrize(
    ("number", "code", "group"),
    [
        pytest.param(signal.SIGINT, 130, True, id="INT to the group"),
        pytest.param(signal.SIGTERM, 143, False, id="TERM to doit alone"),
        pytest.param(signal.SIGINT, 130, False, id="INT to doit alone", marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, 143, True, id="TERM to the group", marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_ends_a_run(there: Place, moment: str, number: signal.Signals, code: int, group: bool) -> None:
    faults, reached = MOMENTS[moment]
    there.script(*map(again, faults))
    ended, output, seconds = interrupted(there, reached, number, group=group)
    assert ended == code, output
    assert "Traceback" not in output, output
    assert seconds < PATIENCE
    assert processes.gone(there.project.root) == {}
    there.truth.check()
    built = {line.split()[1] for line in output.splitlines() if line.strip().startswith("built")}
    assert built <= {name for name, tags in there.project.tags().items() if there.project.version in tags}
    assert there.repair().built & built == set()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.nightly)]
)
def test_a_child_that_takes_no_notice_is_killed(there: Place, number: signal.Signals, code: int) -> None:
    stubborn = take_no_notice(there)
    ended, output, seconds = interrupted(there, lambda _: stubborn.exists(), number, group=False)
    assert ended == code, output
    assert PATIENCE <= seconds < PATIENCE + 3
    assert processes.gone(there.project.root) == {}
    there.project.hook.unlink()
    there.repair()


def test_a_second_signal_does_not_wait(there: Place) -> None:
    stubborn = take_no_notice(there)
    running = there.project.start("push_all")
    await_until(stubborn.exists, 60, running=running)
    running.send_signal(signal.SIGINT)
    time.sleep(2 * signals.AGAIN_SECONDS)  # What comes sooner is the first one again.
    begun = time.monotonic()
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143
    assert time.monotonic() - begun < 1
    assert processes.gone(there.project.root) == {}
    there.project.hook.unlink()
    there.repair()


def take_no_notice(place: Place) -> Path:
    """Have each build ignore SIGINT and SIGTERM; return a file that is there as soon as one does."""
    stubborn = place.project.root / "stubborn"
    place.project.before_each_build(f"trap '' INT TERM; : > {stubborn}; while :; do sleep 1; done")
    return stubborn
