"""`doit graph`: the graph of tasks as a diagram: text, Mermaid, DOT or SVG. docs/graph.md shows it.

An arrow goes from a task to the one that waits for it, unless other arrows already imply it. The tasks of an image
stand together, with --plan in the colour of what a push would do. The diagrams contain no links.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.commands.command import (
    JSON,
    SANDBOX,
    Reading,
    check_sandbox,
    encoded,
    flag,
    text_option,
    write,
)
from tasks.decision import state
from tasks.graph.load import current
from tasks.graph.selected_tasks import matching, with_prerequisites
from tasks.run_context import RunContext
from tasks.system import processes
from tasks.system.text import wrapped

DEFAULT = "push_all"
"""The task that is drawn if none is named."""

_DRAW_SECONDS = 120.0
"""How long graphviz may take; Sleeper's graph takes it a second."""

_FORMATS = {
    "text": "lines for a terminal",
    "mermaid": "for GitHub's Markdown, and https://mermaid.js.org",
    "dot": "graphviz's language",
    "svg": "a picture, drawn by graphviz",
}

_SUFFIXES = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}

_FILLS = {
    "current": ("#d9ead3", "#38761d"),
    "retag": ("#d0e7f5", "#1f6391"),
    "build": ("#fff2cc", "#9a6a00"),
    "blocked": ("#f8d7da", "#a61c28"),
    "unknown": ("#e8dcf2", "#6a3d9a"),
}
"""By state, the fill and the line of an image's tasks; dark text is readable on each."""

_PLAIN = ("#f3f3f3", "#666666")
_INK = "#1a1a1a"


class Graph(Reading):
    """Draws the tasks of a run of the named ones."""

    name = "graph"
    doc_purpose = "draw the graph of tasks"
    doc_usage = "[TASK ...] [--plan] [--format FORMAT] [--output FILE]"
    doc_description = (
        f"Draws the named tasks ({DEFAULT} if none is named) and what they wait for. With --plan, which asks the "
        "registry, each image has the colour of what a push would do. The format is text, or follows from the file's "
        "suffix. docs/graph.md shows it."
    )

    cmd_options = (
        text_option("format", "what to write", choices=tuple(_FORMATS.items())),
        text_option("output", "write to this file", short="o"),
        flag("plan", "colour each image by what a push would do"),
        JSON,
    )

    def _execute(self, format: str, output: str, plan: bool, json: bool, pos_args: list[str]) -> int:  # noqa: A002, FBT001  # doit passes its options by name.
        tasks = {task.name: task for task in self.task_list}
        # With --plan, the word makes the sandbox the target.
        words = [word for word in pos_args if not (plan and word == SANDBOX)]
        names = with_prerequisites(tasks, matching(tasks, words or [DEFAULT]))
        states = _states(current(), picture(tasks, names, {})) if plan else {}
        drawn = picture(tasks, names, states)
        written = encoded(as_object(drawn)) if json else self._writer(format or _by_suffix(output))(drawn)
        if output:
            write(output, written)
        else:
            self.say(written)
        return 0

    def _writer(self, name: str) -> Callable[[Picture], str]:
        return {"text": text, "mermaid": mermaid, "dot": dot, "svg": self._svg}[name]

    def _svg(self, drawn: Picture) -> str:
        """Return the diagram as graphviz draws it.

        Raises:
            InvalidCommand: graphviz is not installed.
            CommandError: it failed.
        """
        if shutil.which("dot") is None:
            raise InvalidCommand(
                "graphviz draws the SVG, and its program `dot` is not installed\n"
                "  next: install graphviz (apt-get install graphviz, dnf install graphviz, brew install graphviz), "
                "or use another --format: mermaid, dot, text"
            )
        next_step = "check its input: doit graph --format dot"
        done = processes.check(["dot", "-Tsvg"], next_step=next_step, stdin=dot(drawn), timeout=_DRAW_SECONDS)
        return without_declarations(done.output)


def _states(context: RunContext, drawn: Picture) -> dict[str, str]:
    """Return the state of each image in the picture.

    Raises:
        InvalidCommand: the sandbox is the target and is not started.
        SettingsError: no setting says where images go, or where Sleeper's scripts are: every image would be blocked.
    """
    check_sandbox(context)
    context.settings.require_destination()
    images = [context.catalogue.image(name) for name in drawn.images() if name]
    context.ask(pushes=images, loads=())
    return {image.name: state(context.decisions.of(image)) for image in images}


def _by_suffix(output: str) -> str:
    return next((name for suffix, name in _SUFFIXES.items() if output.lower().endswith(suffix)), "text")


# What it shows


@dataclass(frozen=True)
class Node:
    """One task.

    Attributes:
        after: the tasks of the picture that it waits for.
        group: whether it only groups others and has no actions.
    """

    name: str
    image: str
    after: tuple[str, ...]
    doc: str
    group: bool

    @property
    def label(self) -> str:
        """The text in its box; the name of the image is in the frame around it."""
        return self.name.removesuffix(f":{self.image}") if self.image else self.name


@dataclass(frozen=True)
class Picture:
    """A graph to draw.

    Attributes:
        nodes: the tasks, in the order in which they are defined.
        states: by image, one of `tasks.decision.STATES`; empty without --plan.
    """

    nodes: tuple[Node, ...]
    states: Mapping[str, str]

    def images(self) -> dict[str, list[Node]]:
        """Return the tasks of each image; the tasks without an image have the empty name."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.image, []).append(node)
        return found

    def arrows(self) -> list[tuple[Node, Node]]:
        """Return the arrows to draw, each from a task to one that waits for it, without those that others imply."""
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
        """Return the title of an image's frame."""
        return f"{image}: {self.states[image]}" if image in self.states else image


def picture(tasks: Mapping[str, Any], names: Iterable[str], states: Mapping[str, str]) -> Picture:
    """Return the picture of those tasks."""
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
    """Return the graph as JSON has it."""
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
    """Return the graph as lines: each task, and below it the tasks that it waits for."""
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
    for word, (fill, stroke) in _FILLS.items():
        members = [ids[node.name] for node in drawn.nodes if drawn.states.get(node.image) == word]
        if members:
            lines.append(f"  classDef {word} fill:{fill},stroke:{stroke},color:{_INK}")
            lines.append(f"  class {','.join(members)} {word}")
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
        # The tasks that all images share stand left of them: their arrows then do not cross the names.
        apart = " [minlen=2]" if one.image and not before.image else ""
        lines.append(f"  {_in_dot(before.name)} -> {_in_dot(one.name)}{apart}")
    return "\n".join([*lines, "}"]) + "\n"


def without_declarations(svg: str) -> str:
    """Return graphviz's SVG from its root element on: the lines before it name a DTD at w3.org and a version."""
    return svg[svg.index("<svg") :]


def _in_mermaid(label: str) -> str:
    # Mermaid's own entities: it renders HTML and Markdown in a label.
    codes = {ord(sign): f"#{ord(sign)};" for sign in "#<>`&"} | {ord('"'): "#quot;", ord("\n"): " "}
    return f'"{label.translate(codes)}"'


def _in_dot(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
