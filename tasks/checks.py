"""The project's own checks: `test` runs pytest, `lint` runs ruff and mypy, their output shown as it comes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.errors import CommandError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.system import processes
from tasks.system.terminal import spelled

CHECKOUT = Path(__file__).resolve().parent.parent
"""Where the tests and the configuration of the tools are."""

_LINTERS = (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))

_FAULTS = "tests/faults"
_WHOLE_SUITE = (
    ["--numprocesses=auto", "--dist=loadfile", "--durations=10", f"--ignore={_FAULTS}"],
    # One at a time: they kill at moments, fill disks and read every process of the machine.
    ["--durations=10", _FAULTS],
)
"""What pytest is told for all tests. Each file's tests share what they made, so one process has them all."""


def tasks() -> Iterator[dict[str, Any]]:
    """Yield the tasks `test` and `lint`; what follows `doit test --`, or `./doitw test`, goes to pytest."""
    common = {"uptodate": [False], "io": NO_CAPTURE, "verbosity": 2}
    yield {
        "basename": "test",
        "doc": spelled("Run the tests; ./doitw test -k NAME passes options on to pytest."),
        "actions": [_test],
        "pos_arg": "arguments",
        **common,
    }
    yield {
        "basename": "lint",
        "doc": "Run ruff and mypy on the project.",
        "actions": [action(lint)],
        **common,
    }


def _test(arguments: list[str]) -> Any:
    # doit hands over what it parsed by the parameter's name, so it has to see it.
    function, given = action(test, arguments)
    return function(*given)


def test(arguments: list[str]) -> None:
    """Run pytest with these arguments; without any, the whole suite.

    Raises:
        CommandError: a test failed, or none ran.
    """
    _all([_module("pytest", *words) for words in ([arguments] if arguments else _WHOLE_SUITE)])


def lint() -> None:
    """Run every linter, also after one that found something.

    Raises:
        CommandError: one found something.
    """
    _all([_module(*linter) for linter in _LINTERS])


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _all(commands: list[list[str]]) -> None:
    failed = [command for command in commands if processes.foreground(command) != 0]
    if failed:
        raise CommandError("; ".join(f"{shlex.join(command)} failed" for command in failed), "see its output above")
