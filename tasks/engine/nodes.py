"""A buildx builder as the catalogue describes it and as buildx finds it: what differs, and what creates one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.engine.buildx import known_platforms
from tasks.model import Builder, BuilderNode


@dataclass(frozen=True)
class InspectedNode:
    """What `docker buildx inspect` says of one machine of a builder.

    Attributes:
        name: its name.
        endpoint: where it is; buildx writes another address for some that it was given (`_is_at`).
        options: its driver's options.
        platforms: what it builds for, once it runs.
        given: those of them that it was created for, whether it can run their programs or not.
        running: whether it runs.
        exists: whether there is something to run, for drivers that start BuildKit themselves.
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
    """What `docker buildx inspect` says of a builder.

    Attributes:
        driver: its driver.
        nodes: its machines, in the order in which they were added.
        error: why buildx knows nothing of its machines, or empty.
    """

    driver: str
    nodes: tuple[InspectedNode, ...]
    error: str = ""

    @property
    def platforms(self) -> frozenset[str]:
        """What it builds for, as far as its nodes run."""
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
    """Read what `docker buildx inspect NAME` prints: `Key: value` lines (buildx, commands/inspect.go)."""
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon or line.startswith((" ", "\t")):
            continue
        if key == "Name":
            blocks.append({})
        blocks[-1].setdefault(key.strip(), value.strip())
    # The first name is the builder's own, each other one begins a node.
    builder, *nodes = blocks[1:] or [{}]
    # buildx lists each pod of a Deployment as a node, all by the name of the one that was described.
    named = {values["Name"]: values for values in reversed(nodes)}
    found = tuple(_node(values) for values in reversed(named.values()))
    return Inspected(builder.get("Driver", ""), found, builder.get("Error", ""))


def _node(values: Mapping[str, str]) -> InspectedNode:
    platforms = values.get("Platforms", "")
    options = re.findall(r'([\w.-]+)=("(?:[^"\\]|\\.)*")', values.get("Driver Options", ""))
    return InspectedNode(
        name=values["Name"],
        endpoint=values.get("Endpoint", ""),
        options=tuple(sorted((name, _unquoted(value)) for name, value in options)),
        platforms=frozenset(known_platforms([platforms])),
        given=frozenset(known_platforms(name for name in platforms.split(",") if name.endswith("*"))),
        running=values.get("Status") == "running",
        exists=values.get("Status", "inactive") != "inactive",
        fault=values.get("Error", ""),
    )


def _unquoted(text: str) -> str:
    # Go quotes as JSON does, but for characters that no option of a driver has.
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def differences(found: Inspected, wanted: Builder, *, exact: bool = True) -> list[str]:
    """Return in words what a builder is otherwise than the catalogue describes it; nothing where it fits.

    Its configuration is not compared: buildx does not tell it.

    Args:
        found: what buildx knows of it.
        wanted: the description.
        exact: whether options that are not described count.
    """
    if found.driver != wanted.driver:
        return [f"its driver is {found.driver or 'unknown'}, not {wanted.driver}"]
    nodes = _nodes(wanted)
    if len(found.nodes) != len(nodes):
        return [f"it has {_count(len(found.nodes))}, not {_count(len(nodes))}"]
    told = []
    for one, node in zip(found.nodes, nodes, strict=True):
        about = f"node {one.name}: " if wanted.nodes else ""
        told += [f"{about}{text}" for text in _node_differences(one, node, wanted, exact=exact)]
    return told


def creation(wanted: Builder) -> list[list[str]]:
    """Return the commands that create the builder, one a node; they neither boot it nor make it the current one."""
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
    """Return the builder's nodes; one that describes none is its own.

    buildx believes the platforms that a node is given, whether it can run their programs or not. So they are given only
    to several nodes, for buildx to choose among them; a single one builds for every platform that is asked for.
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
    told = [f"it reports {found.fault}"] if found.fault else []
    if node.name and found.name != node.name:
        told.append(f"its name is not {node.name}")
    told += [
        f"its option {name} is {has.get(name, 'not set')}, not {needs.get(name, 'unset')}"
        for name in sorted(needs.keys() | has.keys() if exact else needs)
        if has.get(name) != needs.get(name)
    ]
    # One that was given no platforms builds for what BuildKit says that it can.
    if found.given and node.platforms and found.given != set(node.platforms):
        told.append(f"it was created for {_list(found.given)}, not for {_list(node.platforms)}")
    if not _is_at(found.endpoint, node.endpoint, wanted.driver):
        told.append(f"it is at {found.endpoint}, not at {node.endpoint}")
    return told


def _list(platforms: Iterable[str]) -> str:
    return ", ".join(sorted(platforms))


def _is_at(found: str, wanted: str, driver: str) -> bool:
    """Whether a node is where it is wanted, as far as buildx lets one know.

    It writes the address of a context where none is given or `default`, completes one that has no port, and makes
    Kubernetes' up itself (buildx, builder/builder.go).
    """
    return wanted in {"", "default"} or driver == "kubernetes" or found == wanted or found.startswith(f"{wanted}:")
