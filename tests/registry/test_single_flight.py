from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.registry.auth import SingleFlight


def test_who_asks_while_a_call_is_under_way_gets_its_answer() -> None:
    flight, end = SingleFlight(), threading.Event()
    begun = threading.Event()

    def slow() -> str:
        begun.set()
        end.wait(10)
        return "the first call's"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight.share, "key", slow)
        begun.wait(10)
        second = pool.submit(flight.share, "key", lambda: "a call of its own")
        with pytest.raises(TimeoutError):
            second.result(timeout=0.05)
        end.set()
        assert [first.result(10), second.result(10)] == ["the first call's"] * 2


def test_the_next_who_asks_calls_again() -> None:
    flight, numbers = SingleFlight(), iter(range(9))
    assert [flight.share("key", lambda: next(numbers)) for _ in range(2)] == [0, 1]


def test_another_key_is_another_call() -> None:
    flight = SingleFlight()
    assert flight.share("outer", lambda: flight.share("inner", lambda: "inside")) == "inside"


def test_a_fault_is_raised_and_forgotten() -> None:
    flight = SingleFlight()
    with pytest.raises(ZeroDivisionError):
        flight.share("key", lambda: 1 // 0)
    assert flight.share("key", lambda: 1) == 1
