"""The commands that read: who reads them may leave, and the sandbox is meant by its word in each."""

import os
import subprocess
import sys

import pytest

from tests.graph.conftest import CHECKOUT, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

COMMANDS = ["settings", "settings --json", "docs", "graph", "graph --format dot", "plan --help", "plan", "why ingest"]
SIGPIPE = 128 + 13


def to_nobody(graph: Graph, words: str) -> tuple[int, str]:
    """Run doit with its output to a pipe that nobody reads; return its exit code and its complaints."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tasks", *words.split()],
            cwd=CHECKOUT,
            env=graph.environment,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", ["list --all", "info push:ingest"])
def test_a_reader_that_has_gone_ends_doits_own_commands_without_a_word(
    graph: Graph, words: str, variables: dict[str, str]
) -> None:
    # The registry refuses the connection at once, so that info has something to tell.
    given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY="127.0.0.1:1", REGISTRY="oci", **variables)
    assert to_nobody(given, words) == (SIGPIPE, "")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_reader_that_has_gone_does_not_change_the_exit_code_of_our_commands(graph: Graph, words: str) -> None:
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        assert to_nobody(given, words) == (0, "")


@pytest.mark.parametrize("words", ["help", "help plan", "help push", "clean -n", "clean push:ingest"])
def test_a_reader_that_has_gone_hinders_no_help_and_nothing_that_changes_something(graph: Graph, words: str) -> None:
    assert to_nobody(graph, words) == (0, "")


def test_a_clean_finishes_though_nobody_reads_its_output(graph: Graph) -> None:
    for name in ("contexts", "logs"):
        (graph.state / name).mkdir(parents=True)
    assert to_nobody(graph.given(PYTHONUNBUFFERED="1"), "clean") == (0, "")
    assert not (graph.state / "contexts").exists()
    assert not (graph.state / "logs").exists()


def test_an_encoding_without_arrows_is_no_fault(graph: Graph) -> None:
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry), PYTHONIOENCODING="ascii")
        done = given.doit("plan")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"sleeper-images -> {registry.registry}/mine  version ")


@pytest.mark.parametrize(
    "words", ["plan sandbox push:ingest", "status sandbox", "why ingest sandbox", "why sandbox ingest"]
)
def test_the_word_sandbox_makes_it_the_target_of_a_command_that_reads(graph: Graph, words: str) -> None:
    done = graph.doit(*words.split())
    assert (done.code, done.err) == (3, "ERROR: the sandbox is not started\n  next: run `doit sandbox`\n")


def test_settings_shows_those_of_a_run_with_the_same_words(graph: Graph) -> None:
    shown = {line.split()[0]: line.split()[1:] for line in graph.doit("settings", "sandbox").out.splitlines()}
    assert shown["INSTANCE_ID"] == ["sandbox", "the", "sandbox"]


def test_settings_refuses_words_that_say_nothing(graph: Graph) -> None:
    done = graph.doit("settings", "stacks")
    assert (done.code, done.out) == (3, "")
    assert "settings takes no 'stacks'" in done.err


def test_an_option_may_follow_the_names_of_tasks(graph: Graph) -> None:
    assert graph.doit("list", "push", "--all").out == graph.doit("list", "--all", "push").out


@pytest.mark.parametrize(("words", "expected"), [("why ingest", 0), ("why ingest --exit-code", 5)])
def test_why_tells_by_its_exit_code_that_an_image_is_unknown_where_it_is_asked_to(
    graph: Graph, words: str, expected: int
) -> None:
    done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY="127.0.0.1:1", REGISTRY="oci").doit(*words.split())
    assert (done.code, done.out.splitlines()[0][:16]) == (expected, "ingest: unknown:")
