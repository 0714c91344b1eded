"""The exit codes of docs/reliability.md, of the real doit."""

from __future__ import annotations

import shutil

import pytest

from tasks.report.events import exit_code
from tests.graph.conftest import IMAGES, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

NOWHERE = {"INSTANCE_ID": "mine", "DOCKER_REGISTRY": "127.0.0.1:1", "REGISTRY": "oci"}


def without_a_jar(graph: Graph) -> Graph:
    next(iter((graph.scripts / "jars").iterdir())).unlink()
    return graph


@pytest.mark.parametrize(
    ("words", "code"),
    [("push_all", 1), ("plan", 1), ("plan --exit-code", 5), ("preflight", 1), ("digests", 1)],
)
def test_one_image_that_cannot_be_built(graph: Graph, words: str, code: int) -> None:
    with holding_everything() as registry:
        given = without_a_jar(graph).given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        done = given.doit(*words.split())
    assert done.code == code, done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("words", ["push_all", "plan", "plan --exit-code", "preflight", "digests", "why ingest"])
def test_everything_is_as_it_should_be(graph: Graph, words: str) -> None:
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit(*words.split())
    assert done.code == 0, done.text


@pytest.mark.parametrize(
    ("words", "code"),
    [("push_all", 2), ("push:ingest", 2), ("plan", 1), ("plan --json", 1), ("plan --exit-code", 5), ("preflight", 1),
     ("status", 1), ("digests", 2), ("why ingest", 0), ("why ingest --exit-code", 5), ("graph --plan", 0)],
)  # fmt: skip
def test_a_registry_that_does_not_answer(graph: Graph, words: str, code: int) -> None:
    done = graph.given(**NOWHERE).doit(*words.split())
    assert done.code == code, done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("words", ["push_al", "plan zz", "push_all stak=x", "status", "why", "clean zz", "--nope"])
def test_nothing_that_can_be_run(graph: Graph, words: str) -> None:
    assert graph.doit(*words.split()).code == 3


@pytest.mark.parametrize("words", ["list", "settings", "graph", "docs", "help", "clean -n", "--version", ""])
def test_what_asks_nobody(graph: Graph, words: str) -> None:
    assert graph.doit(*words.split()).code == 0


def test_the_preflight_alone_tells_every_fault_with_its_remedy(graph: Graph) -> None:
    shutil.rmtree(graph.scripts / "jars")
    shutil.rmtree(graph.scripts / "docker" / "ingest")
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit("preflight")
    assert done.code == 1
    assert "docker/ingest does not exist" in done.out
    lambdas = [image for image in IMAGES if image.jar]
    assert done.out.count(".jar does not exist") == len(lambdas)
    assert "next: " in done.out


def test_the_preflight_alone_says_that_nothing_stands_in_the_way(graph: Graph) -> None:
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit("preflight")
    assert done.code == 0
    assert f"no problem found: 0 to build, {len(IMAGES)} in the registry" in done.out


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ([], 0),
        ([("TaskFailed", True)], 1),
        ([("TaskFailed", True), ("UnmetDependency", False)], 1),  # push_all itself waits for the image.
        ([("TaskFailed", True), ("UnmetDependency", True), ("UnmetDependency", False)], 1),
        ([("TaskFailed", False)], 1),
        ([("TaskFailed", False), ("UnmetDependency", True)], 2),
        ([("TaskError", True)], 2),
        ([("TaskFailed", True), ("TaskError", True)], 2),
        ([("UnmetDependency", True)], 2),
    ],
)
def test_what_failed_decides_the_code_and_not_what_waits_for_it(failures: list[tuple[str, bool]], code: int) -> None:
    assert exit_code(failures) == code
