"""Who reads what a command prints: somebody who has read enough, somebody whose encoding has no arrows."""

import os
import subprocess
import sys

import pytest

from tests.graph.conftest import CHECKOUT, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

COMMANDS = ["settings", "settings --json", "docs", "graph", "graph --format dot", "plan --help", "plan", "why ingest"]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_reader_that_has_gone_is_no_fault(graph: Graph, words: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        done = subprocess.run(
            [sys.executable, "-m", "doit", *words.split()],
            cwd=CHECKOUT,
            env=given.environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_encoding_without_arrows_is_no_fault(graph: Graph) -> None:
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry), PYTHONIOENCODING="ascii")
        done = given.doit("plan")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"sleeper-images -> {registry.registry}/mine  version ")
