"""A buildx builder as the catalogue describes it and as buildx finds it: whether they agree, what creates one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
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
        given: those of them that it was created for.
        running: whether it runs.
        fault: the error that it reports, or empty.
    """

    name: str
    endpoint: str
    options: tuple[tuple[str, str], ...] = ()
    platforms: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    running: bool = False
    fault: str = ""


@dataclass(frozen=True)
class Inspected:
    """What `docker buildx inspect` says of a builder.

    Attributes:
        driver: its driver.
        nodes: its machines, in the order in which they were added.
    """

    driver: str
    nodes: tuple[InspectedNode, ...]

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
        """The errors that nodes report."""
        return "; ".join(node.fault for node in self.nodes if node.fault)


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
    return Inspected(builder.get("Driver", ""), tuple(_node(values) for values in nodes))


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
        fault=values.get("Error", ""),
    )


def _unquoted(text: str) -> str:
    # Go quotes as JSON does, but for characters that no option of a driver has.
    try:
        return str(json.loads(text))
    except ValueError:
        return text[1:-1]


def fits(found: Inspected, wanted: Builder) -> bool:
    """Whether a builder is what the catalogue describes, but for its configuration, which buildx does not tell."""
    nodes = _nodes(wanted)
    return (
        found.driver == wanted.driver
        and not found.fault
        and len(found.nodes) == len(nodes)
        and all(_node_fits(one, node, wanted) for one, node in zip(found.nodes, nodes, strict=True))
    )


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
    """Return the builder's nodes; one that describes none is its own."""
    return wanted.nodes or (BuilderNode(wanted.endpoint, wanted.platforms),)


def _options(node: BuilderNode, wanted: Builder) -> tuple[tuple[str, str], ...]:
    return tuple({**dict(wanted.options), **dict(node.options)}.items())


def _field(text: str) -> str:
    # buildx reads each --driver-opt as a line of CSV (buildx, util/buildflags).
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _node_fits(found: InspectedNode, node: BuilderNode, wanted: Builder) -> bool:
    return (
        (not node.name or found.name == node.name)
        and found.options == tuple(sorted(_options(node, wanted)))
        # One that was created by hand, as the document has it, was given none, and BuildKit says what it can do.
        and (not found.given or not node.platforms or found.given == set(node.platforms))
        and _is_at(found.endpoint, node.endpoint, wanted.driver)
    )


def _is_at(found: str, wanted: str, driver: str) -> bool:
    """Whether a node is where it is wanted, as far as buildx lets one know.

    It writes the address of a context where none is given or `default`, completes one that has no port, and makes
    Kubernetes' up itself (buildx, builder/builder.go).
    """
    return wanted in {"", "default"} or driver == "kubernetes" or found == wanted or found.startswith(f"{wanted}:")
