"""Start-up is a feature: what a command does not use, it does not import."""

import time

import pytest

from tests.graph.conftest import IMAGES, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

SLOW = {"boto3", "botocore", "docker", "urllib3", "rich", "isal", "requests", "e2b_dockerfile_utils", "moto", "flask"}

ASKING = {
    "tasks.decisions", "tasks.records", "tasks.registry.http", "tasks.registry.images", "tasks.registry.proof",
    "tasks.registry.record", "tasks.report",
}  # fmt: skip
"""Those of our modules that only a command that asks a registry or runs tasks needs."""


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "words", ["list", "list --all", "list --all --deps push", "help", "settings", ""], ids=lambda words: words or "bare"
)
def test_what_only_reads_the_graph_imports_nothing_slow(graph: Graph, words: str) -> None:
    found = packages(graph.imported(*words.split()))
    assert {"doit", "yaml"} <= found
    assert found & SLOW == set()


def test_a_list_imports_no_module_that_asks_a_registry_or_reports_a_run(graph: Graph) -> None:
    found = graph.imported("list")
    assert "tasks.run_context" in found
    assert found & ASKING == set()


def test_a_push_of_nothing_to_a_plain_registry_imports_what_asks_it_and_no_more(graph: Graph) -> None:
    with holding_everything() as registry:
        pushing = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        assert f"{len(IMAGES)} images: {len(IMAGES)} current" in pushing.doit("push_all").out
        # Digests of files that are younger than two seconds are not remembered: the last push meets older files.
        young = True
        while young:
            young = time.time() - max(path.stat().st_ctime for path in graph.scripts.rglob("*")) < 2.5
            assert pushing.doit("push_all").code == 0
        imported = pushing.imported("push_all")
    found = packages(imported)
    assert "urllib3" in found
    assert found & SLOW <= {"urllib3", "e2b_dockerfile_utils"}
    assert "tasks.decisions" in imported
    assert imported & {"tasks.records", "tasks.registry.record"} == set()


def test_a_plan_of_nothing_asks_and_imports_no_more_than_a_push_of_nothing(graph: Graph) -> None:
    asked, imported = {}, {}
    for words in ("push_all", "plan"):
        with holding_everything() as registry:
            asking = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
            imported[words] = packages(asking.imported(words))
            asked[words] = sorted((one.method, one.target) for one in registry.asked)
    assert asked["plan"] == asked["push_all"]
    assert len(asked["plan"]) >= 2 * len(IMAGES)
    assert imported["plan"] & SLOW <= imported["push_all"] & SLOW


def test_a_push_of_nothing_leaves_no_context_and_starts_no_docker(graph: Graph) -> None:
    docker = graph.root / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\necho $* >> {graph.root}/called\n")
    docker.chmod(0o755)
    with holding_everything() as registry:
        pushing = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        done = pushing.doit("push_all")
    assert f"{len(IMAGES)} images: {len(IMAGES)} current" in done.out
    assert not (graph.root / "called").exists()
    assert not (graph.state / "contexts").exists()
    assert registry.count("PUT") == registry.count("POST") == 0


def test_what_the_registry_holds_is_up_to_date_in_list_and_info_on_a_fresh_clone(graph: Graph) -> None:
    with holding_everything() as registry:
        asking = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        statuses = [line.split()[:2] for line in asking.doit("list", "--all", "--status", "push").out.splitlines()[1:]]
        info = asking.doit("info", "push:ingest")
    assert {status for status, _ in statuses} == {"U"}
    assert len(statuses) == len(IMAGES)
    assert (info.code, "up-to-date" in info.out) == (0, True)
