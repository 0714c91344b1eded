"""doit keeps no state: no run leaves any, no other process's or older version's is read."""

from __future__ import annotations

import pytest

from tests.graph.conftest import CHECKOUT, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph


def databases(graph: Graph) -> list[str]:
    return sorted(str(path) for path in (*graph.root.rglob("*doit.db*"), *CHECKOUT.glob("*doit.db*")))


@pytest.mark.parametrize("words", [("push_all",), ("-a", "push:ingest"), ("list", "--all", "--status"), ("clean",)])
def test_doit_leaves_no_database_behind(graph: Graph, words: tuple[str, ...]) -> None:
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit(*words)
    assert done.code == 0, done.text
    assert databases(graph) == []


def test_a_database_of_an_older_version_is_not_read(graph: Graph) -> None:
    graph.state.mkdir()
    (graph.state / "doit.db").write_bytes(b"not a database")
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit("push_all")
    assert (done.code, done.err) == (0, "")
    assert (graph.state / "doit.db").read_bytes() == b"not a database"


def test_a_run_decides_anew_each_time_and_not_by_the_last_one(graph: Graph) -> None:
    asking = graph.given(INSTANCE_ID="mine")
    with holding_everything() as registry:
        assert asking.doit("-a", "push:ingest", f"docker_registry={registry.registry}").code == 0
    done = asking.doit("push:ingest", f"docker_registry={registry.registry}", "registry=oci")
    assert done.code == 2, done.text


@pytest.mark.parametrize("command", ["dumpdb", "forget", "ignore", "reset-dep"])
@pytest.mark.parametrize("words", [(), ("push:ingest",), ("--help",)])
def test_a_command_about_doits_state_is_refused_with_what_to_run(
    graph: Graph, command: str, words: tuple[str, ...]
) -> None:
    done = graph.doit(command, *words)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"ERROR: `{command}` has no effect here: the registry decides what is up to date")
    assert "next: `doit plan`" in done.err
    assert graph.doit("help", command).err == done.err
