"""A builder as buildx describes it, its differences from the catalogue, and the commands that create it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.model import Builder, BuilderNode


@dataclass(frozen=True)
class InspectedNode:
    """One node of a builder as `docker buildx inspect` describes it.

    Attributes:
        endpoint: its address; buildx may write another one than it was given (`_is_at`).
        platforms: what it builds for, once it runs.
        given: the platforms that it was created for, whether it can run their programs or not.
        exists: whether its BuildKit exists, for drivers that start one.
        fault: the error that it reports, or empty.
    """

    name: str
    endpoint: str
    options: tuple[tuple[str, str], ...] = ()
    platforms: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    running: bool = False
    exists: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Inspected:
    """A builder as `docker buildx inspect` describes it.

    Attributes:
        nodes: its nodes, in the order in which they were added.
        error: why buildx cannot describe its nodes, or empty.
    """

    driver: str
    nodes: tuple[InspectedNode, ...]
    error: str = ""

    @property
    def platforms(self) -> frozenset[str]:
        """What it builds for, by the nodes that run."""
        return frozenset().union(*(node.platforms for node in self.nodes))

    @property
    def running(self) -> bool:
        """Whether every node runs."""
        return bool(self.nodes) and all(node.running for node in self.nodes)

    @property
    def fault(self) -> str:
        """The errors that it or its nodes report."""
        return "; ".join(fault for fault in (self.error, *(node.fault for node in self.nodes)) if fault)


def parse(text: str) -> Inspected:
    """Parse the output of `docker buildx inspect NAME`: `Key: value` lines (buildx, commands/inspect.go)."""
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon or line.startswith((" ", "\t")):
            continue
        if key == "Name":
            blocks.append({})
        blocks[-1].setdefault(key.strip(), value.strip())
    # The first name is the builder's, each other one begins a node.
    builder, *nodes = blocks[1:] or [{}]
    # buildx lists each pod of a Deployment as a node, all under the name of the described node.
    named = {values["Name"]: values for values in reversed(nodes)}
    found = tuple(_node(values) for values in reversed(named.values()))
    return Inspected(builder.get("Driver", ""), found, builder.get("Error", ""))


def _node(values: Mapping[str, str]) -> InspectedNode:
    # buildx marks the platforms that were set by hand with a star.
    platforms = [name.strip() for name in values.get("Platforms", "").split(",") if name.strip()]
    options = re.findall(r'([\w.-]+)=("(?:[^"\\]|\\.)*")', values.get("Driver Options", ""))
    return InspectedNode(
        name=values["Name"],
        endpoint=values.get("Endpoint", ""),
        options=tuple(sorted((name, _unquoted(value)) for name, value in options)),
        platforms=frozenset(name.rstrip("*") for name in platforms),
        given=frozenset(name.rstrip("*") for name in platforms if name.endswith("*")),
        running=values.get("Status") == "running",
        exists=values.get("Status", "inactive") != "inactive",
        fault=values.get("Error", ""),
    )


def _unquoted(text: str) -> str:
    # Go quotes as JSON does, except for characters that no driver option has.
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def differences(found: Inspected, wanted: Builder, *, exact: bool = True) -> list[str]:
    """Return, in words, how a builder differs from its description in the catalogue; empty if it fits.

    Its configuration is not compared, as buildx does not show it.

    With `exact`, options that the catalogue does not describe are differences, too.
    """
    if found.driver != wanted.driver:
        return [f"its driver is {found.driver or 'unknown'}, not {wanted.driver}"]
    nodes = _nodes(wanted)
    if len(found.nodes) != len(nodes):
        return [f"it has {_count(len(found.nodes))}, not {_count(len(nodes))}"]
    return [
        f"node {one.name}: {text}" if wanted.nodes else text
        for one, node in zip(found.nodes, nodes, strict=True)
        for text in _node_differences(one, node, wanted, exact=exact)
    ]


def creation(wanted: Builder) -> list[list[str]]:
    """Return the commands that create the builder, one for each node; they neither boot it nor make it current."""
    commands: list[list[str]] = []
    for node in _nodes(wanted):
        argv = ["docker", "buildx", "create", "--name", wanted.name, "--driver", wanted.driver]
        argv += ["--append"] if commands else []
        argv += ["--node", node.name] if node.name else []
        for name, value in _options(node, wanted):
            argv += ["--driver-opt", _field(f"{name}={value}")]
        argv += ["--platform", ",".join(node.platforms)] if node.platforms else []
        argv += ["--config", str(wanted.config)] if wanted.config is not None else []
        commands.append([*argv, node.endpoint] if node.endpoint else argv)
    return commands


def _nodes(wanted: Builder) -> tuple[BuilderNode, ...]:
    """Return the builder's nodes; a builder that describes none is a single node.

    buildx believes the platforms that a node is given, whether the node can run their programs or not. Therefore
    the nodes are given platforms only if there are several, for buildx to choose among them; a single node builds for
    every platform.
    """
    return wanted.nodes or (BuilderNode(wanted.endpoint),)


def _options(node: BuilderNode, wanted: Builder) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(wanted.options), **dict(node.options)}.items())


def _field(text: str) -> str:
    # buildx reads each --driver-opt as a line of CSV (buildx, util/buildflags).
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _count(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"


def _node_differences(found: InspectedNode, node: BuilderNode, wanted: Builder, *, exact: bool) -> list[str]:
    has, needs = dict(found.options), dict(_options(node, wanted))
    differences = [f"it reports {found.fault}"] if found.fault else []
    if node.name and found.name != node.name:
        differences.append(f"its name is not {node.name}")
    differences += [
        f"its option {name} is {has.get(name, 'not set')}, not {needs.get(name, 'unset')}"
        for name in sorted(needs.keys() | has.keys() if exact else needs)
        if has.get(name) != needs.get(name)
    ]
    # A node that was given no platforms builds for those that its BuildKit reports.
    if found.given and node.platforms and found.given != set(node.platforms):
        differences.append(f"it was created for {_list(found.given)}, not for {_list(node.platforms)}")
    if not _is_at(found.endpoint, node.endpoint, wanted.driver):
        differences.append(f"it is at {found.endpoint}, not at {node.endpoint}")
    return differences


def _list(platforms: Iterable[str]) -> str:
    return ", ".join(sorted(platforms))


def _is_at(found: str, wanted: str, driver: str) -> bool:
    """Return whether a node has the wanted address, as far as buildx shows it.

    buildx writes the address of a context if the wanted one is empty or `default`, adds a missing port, and makes
    up that of Kubernetes (buildx, builder/builder.go).
    """
    return wanted in {"", "default"} or driver == "kubernetes" or found == wanted or found.startswith(f"{wanted}:")
