"""The graph of tasks as a picture: text, Mermaid, DOT. Pure; nothing in a picture points anywhere.

An arrow goes from a task to the one that waits for it, unless other arrows say that already. The tasks of an image
stand together, in the colour of what a push would do about it, where that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.system.text import wrapped

_FILLS = {
    "current": ("#d9ead3", "#38761d"),
    "retag": ("#d0e7f5", "#1f6391"),
    "build": ("#fff2cc", "#9a6a00"),
    "blocked": ("#f8d7da", "#a61c28"),
    "unknown": ("#e8dcf2", "#6a3d9a"),
}
"""By state, what an image's tasks are filled and drawn with; dark text stands out on each."""

_PLAIN = ("#f3f3f3", "#666666")
_INK = "#1a1a1a"


@dataclass(frozen=True)
class Node:
    """One task.

    Attributes:
        name: its name.
        image: the image that it is about, or empty.
        after: the tasks of the picture that it waits for.
        doc: what it does.
        group: whether it is there for the others' sake and does nothing itself.
    """

    name: str
    image: str
    after: tuple[str, ...]
    doc: str
    group: bool

    @property
    def label(self) -> str:
        """What stands in its box: the image's name stands around it."""
        return self.name.removesuffix(f":{self.image}") if self.image else self.name


@dataclass(frozen=True)
class Picture:
    """A graph to draw.

    Attributes:
        nodes: the tasks, in the order in which they are defined.
        states: by image, one of `tasks.decision.STATES`; empty where nobody asked.
    """

    nodes: tuple[Node, ...]
    states: Mapping[str, str]

    def images(self) -> dict[str, list[Node]]:
        """Return the tasks of each image; under the empty name those of none."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.image, []).append(node)
        return found

    def arrows(self) -> list[tuple[Node, Node]]:
        """Return the arrows to draw, each from a task to one that waits for it: none that others say already."""
        nodes = {node.name: node for node in self.nodes}
        before: dict[str, frozenset[str]] = {}

        def all_before(name: str) -> frozenset[str]:
            if name not in before:
                before[name] = frozenset(nodes[name].after).union(*map(all_before, nodes[name].after))
            return before[name]

        return [
            (nodes[name], node)
            for node in self.nodes
            for name in node.after
            if not any(name in all_before(other) for other in node.after)
        ]

    def title(self, image: str) -> str:
        """Return what stands above an image's tasks."""
        return f"{image}: {self.states[image]}" if image in self.states else image


def picture(tasks: Mapping[str, Any], names: Iterable[str], states: Mapping[str, str]) -> Picture:
    """Return the picture of those tasks.

    Args:
        tasks: doit's tasks by their names.
        names: those to draw.
        states: by image, its state.
    """
    drawn = set(names)
    return Picture(
        tuple(
            Node(
                name,
                str((task.meta or {}).get("image", "")),
                tuple(before for before in task.task_dep if before in drawn),
                task.doc or "",
                group=not task.actions,
            )
            for name, task in tasks.items()
            if name in drawn
        ),
        states,
    )


def as_object(drawn: Picture) -> dict[str, Any]:
    """Return the graph for programs."""
    return {
        "tasks": [
            {
                "name": node.name,
                "image": node.image or None,
                "state": drawn.states.get(node.image),
                "after": list(node.after),
                "doc": node.doc,
            }
            for node in drawn.nodes
        ]
    }


def text(drawn: Picture) -> str:
    """Return the graph as lines: each task, and below it what it waits for."""
    lines = []
    for image, nodes in drawn.images().items():
        if image:
            lines.append(drawn.title(image))
        for node in nodes:
            indent = "  " if image else ""
            lines.append(indent + node.name)
            if node.after:
                lines += wrapped(f"after {' '.join(node.after)}", indent + "    ")
    return "\n".join(lines) + "\n"


def mermaid(drawn: Picture) -> str:
    """Return the graph in Mermaid's language (https://mermaid.js.org/syntax/flowchart.html)."""
    ids = {node.name: f"t{number}" for number, node in enumerate(drawn.nodes)}
    lines = ["flowchart LR"]
    for number, (image, nodes) in enumerate(drawn.images().items()):
        indent = "    " if image else "  "
        if image:
            lines.append(f"  subgraph i{number}[{_in_mermaid(drawn.title(image))}]")
        for node in nodes:
            opening, closing = ("([", "])") if node.group else ("[", "]")
            lines.append(f"{indent}{ids[node.name]}{opening}{_in_mermaid(node.label)}{closing}")
        if image:
            lines.append("  end")
    lines += [f"  {ids[before.name]} --> {ids[node.name]}" for before, node in drawn.arrows()]
    for state, (fill, stroke) in _FILLS.items():
        members = [ids[node.name] for node in drawn.nodes if drawn.states.get(node.image) == state]
        if members:
            lines.append(f"  classDef {state} fill:{fill},stroke:{stroke},color:{_INK}")
            lines.append(f"  class {','.join(members)} {state}")
    return "\n".join(lines) + "\n"


def dot(drawn: Picture) -> str:
    """Return the graph in graphviz's language (https://graphviz.org/doc/info/lang.html)."""
    fill, stroke = _PLAIN
    font = 'fontname="Helvetica,Arial,sans-serif"'
    node = f'shape=box, style="rounded,filled", {font}, fontsize=10, height=0.25, width=0.9, fontcolor="{_INK}"'
    lines = [
        "digraph tasks {",
        f'  graph [rankdir=LR, bgcolor="white", nodesep=0.12, ranksep=0.8, {font}, fontsize=11, fontcolor="{_INK}"]',
        f'  node [{node}, fillcolor="{fill}", color="{stroke}"]',
        '  edge [color="#aaaaaa", arrowsize=0.5]',
    ]
    for number, (image, nodes) in enumerate(drawn.images().items()):
        indent = "    " if image else "  "
        if image:
            fill, stroke = _FILLS.get(drawn.states.get(image, ""), _PLAIN)
            lines += [
                f"  subgraph cluster_{number} {{",
                f'    graph [label={_in_dot(drawn.title(image))}, labeljust=l, style=rounded, color="{stroke}"]',
                f'    node [fillcolor="{fill}", color="{stroke}"]',
            ]
        for one in nodes:
            shape = ", shape=ellipse" if one.group else ""
            lines.append(f"{indent}{_in_dot(one.name)} [label={_in_dot(one.label)}{shape}]")
        if image:
            lines.append("  }")
    for before, one in drawn.arrows():
        # What all images share stands left of them, so that its arrows do not run across their names.
        apart = " [minlen=2]" if one.image and not before.image else ""
        lines.append(f"  {_in_dot(before.name)} -> {_in_dot(one.name)}{apart}")
    return "\n".join([*lines, "}"]) + "\n"


def without_declarations(svg: str) -> str:
    """Return graphviz's SVG from its root element on: what stands before names a DTD at w3.org, and a version."""
    return svg[svg.index("<svg") :]


def _in_mermaid(label: str) -> str:
    # Its own entities: what is HTML or Markdown in a label would be drawn as such.
    codes = {ord(sign): f"#{ord(sign)};" for sign in "#<>`&"} | {ord('"'): "#quot;", ord("\n"): " "}
    return f'"{label.translate(codes)}"'


def _in_dot(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
