import errno

import pytest
from doit.action import PythonAction
from doit.exceptions import TaskError, TaskFailed
from doit.task import Task

from tasks.errors import InputError
from tasks.graph.actions import NO_CAPTURE, action


def execute(function: object, *arguments: object) -> PythonAction:
    task = Task("t", [action(function, *arguments)], io=NO_CAPTURE)  # type: ignore[arg-type]  # Any callable.
    task.init_options()
    (one,) = task.actions
    one.failure = one.execute()
    return one


def test_the_function_gets_its_arguments_and_its_dict_becomes_the_values() -> None:
    done = execute(lambda first, second: {"sum": first + second}, 1, 2)
    assert (done.failure, done.values) == (None, {"sum": 3})


def test_arguments_with_names_that_doit_would_fill_in_stay_ours() -> None:
    def function(targets: str, changed: str) -> dict[str, str]:
        return {"got": targets + changed}

    assert execute(function, "a", "b").values == {"got": "ab"}


def test_one_of_our_errors_is_a_failure_with_its_text_alone() -> None:
    def fail() -> None:
        raise InputError("the thing is wrong", "fix it")

    failure = execute(fail).failure
    assert isinstance(failure, TaskFailed)
    assert failure.get_msg().strip() == "the thing is wrong\n  next: fix it"


def test_a_bug_keeps_its_traceback() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    failure = execute(bug).failure
    assert isinstance(failure, TaskError)
    assert "Traceback" in failure.get_msg()


def test_a_full_disk_is_not_a_bug() -> None:
    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/state/logs/x.log")

    failure = execute(fill).failure
    assert isinstance(failure, TaskFailed)
    assert failure.get_msg().startswith("/state/logs/x.log: No space left on device\n  next: free some space")


def test_nothing_is_printed_through_doit(capsys: pytest.CaptureFixture[str]) -> None:
    done = execute(lambda: print("straight to the terminal"))  # noqa: T201  # What the test is about.
    assert done.out is None
    assert capsys.readouterr().out == "straight to the terminal\n"
