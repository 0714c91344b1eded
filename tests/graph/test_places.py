"""Places that are not what they should be: errors that name them, or runs that do without them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.graph.conftest import VERSION, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

READING = [
    "plan", "list", "list --all --status", "settings", "graph", "graph --plan", "why ingest", "docs",
    "digests", "info push:ingest", "help push_all",
]  # fmt: skip


@pytest.mark.parametrize("words", READING)
def test_what_only_reads_works_where_nothing_can_be_written(graph: Graph, words: str) -> None:
    # Not even root makes a directory in /proc.
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry), STATE_DIR="/proc/none/state")
        done = given.doit(*words.split())
    assert (done.code, done.err) == (0, ""), done.text


@pytest.mark.parametrize("words", ["list", "settings", "graph", "docs", "help push_all"])
def test_what_asks_nobody_makes_no_state_directory(graph: Graph, words: str) -> None:
    assert graph.doit(*words.split()).code == 0
    assert not graph.state.exists()


@pytest.mark.parametrize("words", ["push_all", "plan", "list"])
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_state_directory_that_is_a_file_is_told_as_one(graph: Graph, words: str, below: str) -> None:
    (graph.root / "file").touch()
    place = graph.root / "file" / below
    done = graph.doit(words, f"state_dir={place}")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"ERROR: STATE_DIR is {place} (command line),")
    assert "which is not a directory" in done.err


def test_the_parent_of_the_scripts_directory_is_told_from_it(graph: Graph) -> None:
    done = graph.given(INSTANCE_ID="mine").doit("push_all", f"scripts_dir={graph.root}")
    assert done.code == 3
    assert f"SCRIPTS_DIR={graph.root} (command line): Sleeper's scripts are one directory below" in done.err
    assert f"next: set SCRIPTS_DIR={graph.scripts}" in done.err
    assert "VERSION is not set" not in done.err


def test_a_directory_that_is_something_else_is_told_as_that(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    done = graph.given(INSTANCE_ID="mine").doit("push_all", f"scripts_dir={tmp_path / 'other'}")
    assert done.code == 3
    assert f"SCRIPTS_DIR={tmp_path}/other (command line): {tmp_path}/other/docker does not exist" in done.err


def test_a_wrong_version_is_told_once_with_where_it_came_from_and_which_there_are(graph: Graph) -> None:
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        done = given.doit("push_all", "version=9.9")
    text = " ".join(done.out.split())
    assert done.code == 1
    assert text.count(f"the version is 9.9 (command line), and {graph.scripts}/jars has jars of {VERSION}") == 1


@pytest.mark.parametrize("text", ["{broken", "[]", ""])
def test_a_docker_configuration_that_is_broken_is_told_with_its_path(graph: Graph, text: str) -> None:
    folder = graph.root / "home" / ".docker"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(text)
    shutil.rmtree(graph.state, ignore_errors=True)
    given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY="127.0.0.1:1", REGISTRY="oci")
    done = given.doit("preflight", "images=ingest")
    assert done.code == 1
    assert f"Docker's configuration {folder / 'config.json'} cannot be used" in done.out
    assert "broken" not in done.out.replace("connection", "")
