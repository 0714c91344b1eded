"""Options of our commands: doit's, wherever they stand on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from doit.cmdparse import CmdOption, CmdParse
from doit.exceptions import InvalidCommand

from tasks.commands.command import Reading, options_first, state_code, write
from tasks.commands.digests import Digests
from tasks.commands.plan import PlanCommand


def first(command: type[Reading], *words: str) -> list[str]:
    options = [CmdOption(option) for option in command.cmd_options]
    return options_first(CmdParse(options), list(words), command.name)


def test_options_may_stand_behind_arguments() -> None:
    words = ("push:ingest", "--exit-code", "push:q*", "--json")
    assert first(PlanCommand, *words) == ["--exit-code", "--json", "push:ingest", "push:q*"]


@pytest.mark.parametrize("words", [("-o", "x"), ("--output", "x"), ("--output=x",), ("--out", "x")])
def test_a_value_stays_with_its_option(words: tuple[str, ...]) -> None:
    (name, value, *rest) = first(Digests, "sandbox", *words)
    assert (name in {"-o", "--output"}, value, rest) == (True, "x", ["sandbox"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--jsno",), "digests: option --jsno not recognized; did you mean '--json'?"),
        (("sandbox", "--nothing-like-it"), "digests: option --nothing-like-it not recognized"),
        (("--check",), "digests: option --check requires argument"),
        (("--check", ""), "digests: option --check has an empty value"),
        (("--check=",), "digests: option --check has an empty value"),
        (("-o", ""), "digests: option -o has an empty value"),
        (("--json=yes",), "digests: option --json must not have an argument"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_an_unknown_option_or_one_without_its_value_is_an_error_with_a_next_step(
    words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(InvalidCommand) as raised:
        first(Digests, *words)
    assert str(raised.value) == f"{said}\n  next: `doit help digests` lists the options"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"current"}, 0),
        (set(), 0),
        ({"current", "retag"}, 4),
        ({"current", "build"}, 4),
        ({"build", "unknown"}, 5),
        ({"current", "blocked"}, 5),
    ],
)
def test_the_exit_code_tells_what_there_is_to_do(states: set[str], expected: int) -> None:
    assert state_code(states) == expected


def test_a_file_in_a_missing_directory_is_refused_and_the_directory_not_created(tmp_path: Path) -> None:
    with pytest.raises(InvalidCommand, match=f"the directory {tmp_path}/no/such does not exist\n  next: create it"):
        write(str(tmp_path / "no" / "such" / "file"), "text")
    assert list(tmp_path.iterdir()) == []
