from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from tasks.system.parallel import each, locked_property


def test_results_are_in_the_items_order() -> None:
    assert each(lambda number: number * number, range(100), at_once=7) == [number * number for number in range(100)]


def test_nothing_to_do_is_done() -> None:
    assert each(str, [], at_once=4) == []


def test_as_many_are_called_at_once_as_may_be() -> None:
    meeting = threading.Barrier(8, timeout=10)
    assert each(lambda _: meeting.wait() >= 0, range(8), at_once=8) == [True] * 8


def test_no_more_are_called_at_once_than_may_be() -> None:
    now, most, lock = [0], [0], threading.Lock()

    def call(_: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.001)
        with lock:
            now[0] -= 1

    each(call, range(40), at_once=3)
    assert 1 <= most[0] <= 3


def test_what_a_call_raises_is_raised_and_no_further_call_is_begun() -> None:
    called: list[int] = []

    def call(number: int) -> None:
        called.append(number)
        if number == 2:
            raise ValueError(number)

    with pytest.raises(ValueError, match="2"):
        each(call, range(100_000), at_once=1)
    assert len(called) < 100_000


@pytest.fixture
def alarm() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
def test_an_interrupt_does_not_wait_for_calls_that_never_end() -> None:
    never = threading.Event()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(KeyboardInterrupt):
        each(lambda _: never.wait(60), range(3), at_once=3)
    never.set()


class Counter:
    def __init__(self) -> None:
        self.calls = 0
        self.started = threading.Barrier(4)

    @locked_property
    def value(self) -> int:
        """The value."""
        self.calls += 1
        return self.calls

    @locked_property
    def through(self) -> int:
        return self.value + 1

    @locked_property
    def faulty(self) -> int:
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError
        return self.calls


def test_a_locked_property_is_computed_once() -> None:
    counter = Counter()
    assert [counter.value, counter.value, counter.calls] == [1, 1, 1]


def test_each_instance_has_a_locked_property_of_its_own() -> None:
    first, second = Counter(), Counter()
    assert first.value == second.value == 1


def test_a_locked_property_may_use_another() -> None:
    assert Counter().through == 2


def test_an_exception_of_a_locked_property_is_not_kept() -> None:
    counter = Counter()
    with pytest.raises(ZeroDivisionError):
        _ = counter.faulty
    assert counter.faulty == 2


def test_threads_that_come_together_get_one_value() -> None:
    counter, seen = Counter(), []

    def ask() -> None:
        counter.started.wait()
        seen.append(counter.value)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1, 1, 1, 1]


def test_a_locked_property_keeps_its_docstring() -> None:
    assert Counter.value.__doc__ == "The value."
