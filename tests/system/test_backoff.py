from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.system.backoff import PUSH, REQUEST, Budget, Pace


class Clock:
    """A clock that only waits move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(rate: float, burst: float, clock: Clock) -> Pace:
    return Pace(rate, burst, clock=clock.time, sleep=clock.sleep)


@given(st.floats(0.5, 100), st.integers(1, 10), st.lists(st.floats(0, 3), max_size=60))
def test_no_second_sees_more_than_the_rate_and_the_burst(rate: float, burst: int, pauses: list[float]) -> None:
    clock = Clock()
    turns = pace(rate, burst, clock)
    taken = []
    for pause in pauses:
        clock.now += pause
        turns.take()
        taken.append(clock.now)
    for first in taken:
        assert sum(1 for other in taken if first <= other < first + 1) <= rate + burst + 1e-6


@given(st.integers(1, 40), st.integers(0, 40))
def test_what_others_spent_is_waited_for(ours: int, theirs: int) -> None:
    clock = Clock()
    turns = pace(8, 2, clock)
    turns.spent(theirs)
    for _ in range(ours):
        turns.take()
    assert clock.now == pytest.approx(max(0.0, (ours + theirs - 2) / 8))


def test_a_pause_saves_up_no_more_than_the_burst() -> None:
    clock = Clock()
    turns = pace(10, 2, clock)
    clock.now = 1000.0
    for _ in range(4):
        turns.take()
    assert clock.now == pytest.approx(1000.2)


def test_threads_share_one_pace() -> None:
    waits: list[float] = []
    turns = Pace(10, 1, clock=lambda: 0.0, sleep=waits.append)
    threads = [threading.Thread(target=turns.take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == pytest.approx([number / 10 for number in range(20)])


@given(st.sampled_from([REQUEST, PUSH]), st.integers(1, 20), st.floats(0, 1))
def test_waits_grow_and_are_bounded(budget: Budget, attempt: int, jitter: float) -> None:
    wait = budget.wait(attempt, jitter)
    assert 0 < wait <= budget.longest_wait
    assert budget.wait(attempt + 1, jitter) >= wait
