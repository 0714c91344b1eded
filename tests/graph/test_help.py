"""What the command line itself answers: help, versions, and words that it does not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.graph.conftest import CHECKOUT, Graph

pytestmark = pytest.mark.graph

COMMANDS = (
    "clean", "digests", "docs", "graph", "help", "info", "list", "plan", "run", "settings", "status", "why",
)  # fmt: skip
DUMP = ("CmdOption", "parsing options", "db-file", "Traceback")


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["help"]], ids=" ".join)
def test_the_overview_names_every_command_and_fits_a_screen(graph: Graph, words: list[str]) -> None:
    done = graph.doit(*words)
    assert (done.code, done.err) == (0, "")
    assert all(f"  {command} " in done.out for command in COMMANDS)
    assert not [sign for sign in DUMP if sign in done.out]
    assert len(done.out.splitlines()) <= 40
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_each_command_tells_its_own_options_and_no_others(graph: Graph, command: str, option: str) -> None:
    done = graph.doit(command, option)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{command}: ")
    assert done.out == graph.doit("help", command).out
    assert not [sign for sign in DUMP if sign in done.out]


def test_the_help_of_a_run_lists_the_reporters_of_this_project_only(graph: Graph) -> None:
    said = " ".join(graph.doit("help", "run").out.split())
    board = "board: a live board on a terminal, else plain lines"
    assert (
        f"how to show the run ({board}; jsonl: events as JSON, one a line (docs/output.md); plain: plain lines)" in said
    )


@pytest.mark.parametrize("words", [["push_all", "-h"], ["help", "push_all"]], ids=" ".join)
def test_a_task_is_told_of_by_its_name(graph: Graph, words: list[str]) -> None:
    done = graph.doit(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("push_all: Build and push every selected image that changed.\n")


def test_the_version_is_that_of_the_project(graph: Graph) -> None:
    done = graph.doit("--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("sleeper-images ")
    assert len(done.out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--nope", "run: option --nope not recognized"),
        ("-x", "run: option -x not recognized"),
        ("push_all --nope", "run: option --nope not recognized"),
        ("--reportr plain push_all", "run: option --reportr not recognized; did you mean '--reporter'?"),
        ("plan --jsn", "plan: option --jsn not recognized; did you mean '--json'?"),
        ("clean --dri-run", "clean: option --dri-run not recognized; did you mean '--dry-run'?"),
        ("help push_al", "unknown task or command 'push_al'; did you mean 'push_all'?"),
        ("plna", "unknown task or command 'plna'; did you mean 'plan'?"),
        ("push:*lamda", "no task matches 'push:*lamda'; did you mean 'push:*lambda'?"),
        ("list images=*lamda", "no image matches '*lamda'; did you mean '*lambda'?"),
        ("push_all plan", "'plan' is a command"),
        ("sandbox clean", "`sandbox` goes before tasks and before commands that only read"),
    ],
)
def test_what_is_not_known_is_told_in_few_lines(graph: Graph, words: str, said: str) -> None:
    done = graph.doit(*words.split())
    assert (done.code, done.out) == (3, "")
    assert said in done.err
    assert len(done.err.splitlines()) <= 3
    assert not [sign for sign in DUMP if sign in done.err]


@pytest.mark.parametrize("words", ["plan", "status", "digests", "why ingest", "graph --plan", "plan push:ingest"])
def test_a_command_that_asks_may_follow_the_word_sandbox(graph: Graph, words: str) -> None:
    done = graph.doit("sandbox", *words.split())
    assert (done.code, done.err) == (3, "ERROR: the sandbox is not started\n  next: run `doit sandbox`\n")


@pytest.mark.parametrize("words", ["settings", "graph", "list"])
def test_a_command_that_asks_no_registry_may_follow_it_too(graph: Graph, words: str) -> None:
    done = graph.doit("sandbox", words)
    assert (done.code, done.err) == (0, "")
    assert words != "settings" or "the sandbox" in done.out


@pytest.mark.parametrize("called", ["./doitw", "../sleeper-images/doitw"])
@pytest.mark.parametrize(
    "words", ["push_all", "plan --nope", "why", "sandbox plan", "plan sandbox --json", "-h", "list"]
)
def test_every_next_step_names_what_was_typed(graph: Graph, called: str, words: str) -> None:
    text = graph.given(DOITW_CALLED=called).doit(*words.split()).text
    assert called in text
    assert "`doit " not in text
    assert "./doitw" not in text.replace(called, "")


def test_doit_is_named_where_doit_was_typed(graph: Graph) -> None:
    text = graph.doit("push_all").text
    assert "doit sandbox push_all" in text
    assert "./doitw" not in text


def test_doit_runs_in_its_checkout_wherever_it_is_called(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text("raise SystemExit('another dodo.py')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tasks", "settings", "scripts_dir=scripts"],
        cwd=tmp_path, env=graph.environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"SCRIPTS_DIR           {tmp_path}/scripts" in done.stdout
    assert tmp_path != CHECKOUT
