import threading

import pytest

from tasks.system.once import once


class Counter:
    def __init__(self) -> None:
        self.calls = 0
        self.started = threading.Barrier(4)

    @once
    def value(self) -> int:
        """The value."""
        self.calls += 1
        return self.calls

    @once
    def through(self) -> int:
        return self.value + 1

    @once
    def faulty(self) -> int:
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError
        return self.calls


def test_it_is_computed_once() -> None:
    counter = Counter()
    assert [counter.value, counter.value, counter.calls] == [1, 1, 1]


def test_each_instance_has_its_own() -> None:
    first, second = Counter(), Counter()
    assert first.value == second.value == 1


def test_one_may_use_another() -> None:
    assert Counter().through == 2


def test_what_it_raises_is_not_kept() -> None:
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


def test_the_attribute_of_the_class_keeps_its_docstring() -> None:
    assert Counter.value.__doc__ == "The value."
