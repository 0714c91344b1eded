from dataclasses import replace
from pathlib import Path

import pytest

from tasks.engine import nodes
from tasks.model import Builder, BuilderNode

RUNNING = """\
Name:          sleeper
Driver:        docker-container
Last Activity: 2026-01-01 00:00:00 +0000 UTC

Nodes:
Name:                  sleeper0
Endpoint:              unix:///var/run/docker.sock
Driver Options:        network="host" image="moby/buildkit:v0.13.2"
Status:                running
BuildKit daemon flags: --allow-insecure-entitlement=network.host
BuildKit version:      v0.13.2
Platforms:             linux/amd64*, linux/amd64/v2, linux/arm64
Labels:
 org.mobyproject.buildkit.worker.executor: oci
GC Policy rule#0:
 All:           false
"""


def builder(**changes: object) -> Builder:
    values: dict[str, object] = {
        "name": "sleeper",
        "driver": "docker-container",
        "options": (("network", "host"), ("image", "moby/buildkit:v0.13.2")),
    }
    return Builder(**(values | changes))  # type: ignore[arg-type]  # Each value is of its field's type.


def test_an_inspected_builder_is_read() -> None:
    found = nodes.parse(RUNNING)
    assert found == nodes.Inspected(
        "docker-container",
        (
            nodes.InspectedNode(
                "sleeper0",
                "unix:///var/run/docker.sock",
                options=(("image", "moby/buildkit:v0.13.2"), ("network", "host")),
                platforms=frozenset({"linux/amd64", "linux/amd64/v2", "linux/arm64"}),
                given=frozenset({"linux/amd64"}),
                running=True,
                exists=True,
            ),
        ),
    )
    assert (found.running, found.fault) == (True, "")
    assert found.platforms == {"linux/amd64", "linux/amd64/v2", "linux/arm64"}


def test_a_builder_with_a_stopped_node_does_not_run() -> None:
    assert not nodes.parse(RUNNING + "\nName: sleeper1\nStatus: inactive\n").running


def test_a_node_that_is_inactive_does_not_exist_yet() -> None:
    (_, node) = nodes.parse(RUNNING + "\nName: sleeper1\nStatus: inactive\n").nodes
    assert not node.exists


def test_pods_of_one_node_are_one_node() -> None:
    pods = "Name: farm\nDriver: kubernetes\n\nNodes:\n" + 2 * "Name: farm0\nStatus: running\n\n"
    assert [node.name for node in nodes.parse(pods).nodes] == ["farm0"]


def test_a_builder_of_which_nothing_is_known_reports_why() -> None:
    assert nodes.parse("Name: default\nDriver: \nError: Cannot connect\n").fault == "Cannot connect"


def test_a_builder_whose_node_has_an_error_does_not_fit() -> None:
    found = nodes.parse(RUNNING + "Error: cannot connect\n")
    assert nodes.differences(found, builder()) == ["it reports cannot connect"]


def test_the_order_of_options_does_not_matter() -> None:
    assert nodes.differences(nodes.parse(RUNNING), builder()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"driver": "kubernetes"}, ["its driver is docker-container, not kubernetes"]),
        (
            {"options": (("network", "host"),)},
            ["its option image is moby/buildkit:v0.13.2, not unset"],
        ),
        (
            {"options": (("network", "none"), ("image", "moby/buildkit:v0.13.2"))},
            ["its option network is host, not none"],
        ),
        ({"nodes": (BuilderNode("a"), BuilderNode("b"))}, ["it has 1 node, not 2 nodes"]),
    ],
)
def test_what_differs_is_told(changes: dict[str, object], told: list[str]) -> None:
    assert nodes.differences(nodes.parse(RUNNING), builder(**changes)) == told


def test_options_that_are_not_described_may_be_allowed() -> None:
    found, wanted = nodes.parse(RUNNING), builder(options=(("network", "host"),))
    assert nodes.differences(found, wanted, exact=False) == []
    assert nodes.differences(found, builder(options=(("memory", "2g"),)), exact=False) != []


def test_a_single_node_fits_whatever_platforms_it_was_created_for() -> None:
    assert nodes.differences(nodes.parse(RUNNING), builder(platforms=("linux/amd64", "linux/arm64"))) == []


def test_a_builder_is_created_as_described_and_not_made_the_current_one() -> None:
    (argv,) = nodes.creation(
        builder(platforms=("linux/amd64", "linux/arm64"), config=Path("/etc/b.toml"), endpoint="ctx")
    )
    assert argv == [
        "docker", "buildx", "create", "--name", "sleeper", "--driver", "docker-container",
        "--driver-opt", "network=host", "--driver-opt", "image=moby/buildkit:v0.13.2",
        "--config", "/etc/b.toml", "ctx",
    ]  # fmt: skip


FARM = Builder(
    "farm",
    "docker-container",
    options=(("network", "host"), ("memory", "2g")),
    platforms=("linux/amd64", "linux/arm64"),
    nodes=(
        BuilderNode("unix:///tmp/x86.sock", ("linux/amd64",), name="x86"),
        BuilderNode("graviton", ("linux/arm64",), (("memory", "8g"), ("env.X", 'a,"b"'))),
    ),
)

INSPECTED_FARM = """\
Name:   farm
Driver: docker-container

Nodes:
Name:           x86
Endpoint:       unix:///tmp/x86.sock
Driver Options: memory="2g" network="host"
Status:         running
Platforms:      linux/amd64*, linux/amd64/v2

Name:           farm1
Endpoint:       graviton
Driver Options: env.X="a,\\"b\\"" memory="8g" network="host"
Status:         running
Platforms:      linux/arm64*
"""


def test_each_node_is_appended_with_its_own_platforms_and_options() -> None:
    assert nodes.creation(FARM) == [
        [
            "docker", "buildx", "create", "--name", "farm", "--driver", "docker-container", "--node", "x86",
            "--driver-opt", "network=host", "--driver-opt", "memory=2g", "--platform", "linux/amd64",
            "unix:///tmp/x86.sock",
        ],
        [
            "docker", "buildx", "create", "--name", "farm", "--driver", "docker-container", "--append",
            "--driver-opt", "network=host", "--driver-opt", "memory=8g", "--driver-opt", '"env.X=a,""b"""',
            "--platform", "linux/arm64", "graviton",
        ],
    ]  # fmt: skip


def test_nodes_of_kubernetes_are_created_without_an_endpoint() -> None:
    options = (("nodeselector", "kubernetes.io/arch=arm64"),)
    wanted = Builder("farm", "kubernetes", nodes=(BuilderNode("", ("linux/arm64",), options, name="arm64"),))
    assert nodes.creation(wanted) == [
        [
            "docker", "buildx", "create", "--name", "farm", "--driver", "kubernetes", "--node", "arm64",
            "--driver-opt", "nodeselector=kubernetes.io/arch=arm64", "--platform", "linux/arm64",
        ]
    ]  # fmt: skip


def test_a_builder_of_several_nodes_builds_for_the_platforms_of_all() -> None:
    found = nodes.parse(INSPECTED_FARM)
    assert [node.name for node in found.nodes] == ["x86", "farm1"]
    assert found.platforms == {"linux/amd64", "linux/amd64/v2", "linux/arm64"}


def test_a_builder_with_the_nodes_that_are_described_fits() -> None:
    assert nodes.differences(nodes.parse(INSPECTED_FARM), FARM) == []


@pytest.mark.parametrize(
    "others",
    [
        FARM.nodes[:1],
        FARM.nodes[::-1],
        (replace(FARM.nodes[0], endpoint="unix:///tmp/other.sock"), FARM.nodes[1]),
        (replace(FARM.nodes[0], name="amd"), FARM.nodes[1]),
        (FARM.nodes[0], replace(FARM.nodes[1], options=())),
        (FARM.nodes[0], replace(FARM.nodes[1], platforms=("linux/arm64", "linux/arm/v7"))),
        (*FARM.nodes, BuilderNode("third")),
    ],
    ids=["one fewer", "in another order", "elsewhere", "another name", "other options", "other platforms", "one more"],
)
def test_a_builder_with_other_nodes_does_not_fit(others: tuple[BuilderNode, ...]) -> None:
    assert nodes.differences(nodes.parse(INSPECTED_FARM), replace(FARM, nodes=others)) != []


@pytest.mark.parametrize(
    ("driver", "given", "written"),
    [
        ("docker-container", "", "unix:///var/run/docker.sock"),
        ("docker-container", "default", "unix:///var/run/docker.sock"),
        ("docker-container", "tcp://build.example", "tcp://build.example:2375"),
        ("remote", "tcp://build.example:1234", "tcp://build.example:1234"),
        ("kubernetes", "cluster", "kubernetes:///farm?deployment=&kubeconfig="),
    ],
)
def test_an_endpoint_that_buildx_writes_in_its_own_way_is_the_same(driver: str, given: str, written: str) -> None:
    found = nodes.Inspected(driver, (nodes.InspectedNode("farm0", written),))
    assert nodes.differences(found, Builder("farm", driver, endpoint=given)) == []


def test_an_endpoint_elsewhere_does_not_fit() -> None:
    assert nodes.differences(nodes.parse(RUNNING), builder(endpoint="unix:///tmp/other.sock")) != []
