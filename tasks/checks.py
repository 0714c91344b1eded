"""The project's own checks: `test` runs pytest, `lint` runs ruff and mypy; their output appears as it comes."""

from __future__ import annotations

import importlib.util
import os
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

_REAL = ["tests/faults", "tests/integration"]
_PHASES = (
    # The fast tests first. The tests of a file share fixtures, so one process runs them.
    ["--numprocesses=auto", *(f"--ignore={folder}" for folder in _REAL)],
    # Those that need an engine, in the order that tests/conftest.py gives them. Each process has its own sandbox. They
    # wait most of the time (for retries, timeouts, other processes): two more of them than processors keep these busy.
    [f"--numprocesses={(os.cpu_count() or 1) + 2}", "--no-loadscope-reorder", *_REAL],
)
_PARALLEL = ["--dist=loadfile", "--durations=10"]

_ALL = "--all"
_COVERAGE = "--cov"


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
    # doit passes what it parsed by the parameter's name, so the function must have it.
    function, given = action(test, arguments)
    return function(*given)


def test(arguments: list[str]) -> None:
    """Run pytest with these arguments; without any, the whole suite.

    Args:
        arguments: for pytest. With `--all` (the nightly tests, too) and `--cov` (branch coverage) alone, they apply to
            the whole suite.

    Raises:
        CommandError: a test failed, no test ran, or the environment does not have pytest.
    """
    # pytest-cov would take a path that follows `--cov` for the package to measure, so it comes last.
    words = sorted(arguments, key=_COVERAGE.__eq__)
    whole = set(arguments) <= {_ALL, _COVERAGE}
    commands = [[*_PARALLEL, *phase, *words] for phase in _PHASES] if whole else [words]
    if whole and _COVERAGE in arguments:
        commands[0].append("--cov-report=")
        commands[1].append("--cov-append")
    _run_all([_module("pytest", *command) for command in commands])


def lint() -> None:
    """Run every linter, even when one of them fails.

    Raises:
        CommandError: a linter found something, or the environment does not have it.
    """
    _run_all([_module(*linter) for linter in _LINTERS])


def _module(name: str, *words: str) -> list[str]:
    if importlib.util.find_spec(name) is None:
        raise CommandError(
            f"{name} is not installed in .venv: a push does not need it",
            # Not `./doitw`, which a message spells as it was called: doit alone installs nothing.
            f"run {CHECKOUT / 'doitw'} {'test' if name == 'pytest' else 'lint'}, which adds it",
        )
    return [sys.executable, "-m", name, *words]


def _run_all(commands: list[list[str]]) -> None:
    failed = [command for command in commands if processes.foreground(command) != 0]
    if failed:
        raise CommandError("; ".join(f"{shlex.join(command)} failed" for command in failed), "see its output above")
