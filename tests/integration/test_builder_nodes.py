"""A builder of several nodes, made by the real buildx; remote ones need nobody at their address until they boot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.engine import Engine
from tasks.engine import builder_records, builders
from tasks.engine.nodes import creation, differences
from tasks.model import Builder, BuilderNode
from tasks.system import processes

pytestmark = pytest.mark.integration

FARM = Builder(
    "farm",
    "remote",
    nodes=(
        BuilderNode("tcp://127.0.0.1:1", ("linux/amd64",), name="x86"),
        BuilderNode("tcp://127.0.0.1:2", ("linux/arm64",)),
    ),
)


def test_what_buildx_creates_is_what_was_described_and_is_not_the_current_builder(
    engine: Engine, tmp_path: Path
) -> None:
    environment = {**engine.environment, "BUILDX_CONFIG": str(tmp_path)}
    builder_records.begin(FARM, environment)
    for argv in creation(FARM):
        processes.check(argv, environment=environment, next_step="")
    builder_records.finish(FARM, environment, daemon=True)
    found = builders.inspect("farm", environment)
    assert found is not None
    assert [(node.name, node.endpoint) for node in found.nodes] == [
        ("x86", "tcp://127.0.0.1:1"),
        ("farm0", "tcp://127.0.0.1:2"),
    ]
    assert differences(found, FARM) == []
    assert differences(found, replace(FARM, nodes=FARM.nodes[:1])) == ["it has 2 nodes, not 1 node"]
    other = replace(FARM.nodes[1], platforms=("linux/riscv64",))
    assert differences(found, replace(FARM, nodes=(FARM.nodes[0], other))) == [
        "node farm0: it was created for linux/arm64, not for linux/riscv64"
    ]
    current = processes.check(["docker", "buildx", "inspect"], environment=environment, next_step="").output
    assert "farm" not in current
    assert builders.remove("farm", environment)
    assert builders.inspect("farm", environment) is None
