"""`doit graph`: the graph as a diagram."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from doit.exceptions import InvalidCommand

from tasks.decision import state
from tasks.errors import SleeperImagesError
from tasks.graph.closure import closure
from tasks.graph.composition import current
from tasks.graph.names import matching
from tasks.graph.options import JSON, SANDBOX, Reading, encoded, text_option, write
from tasks.graph.target import check_destination, check_sandbox
from tasks.session import Session
from tasks.system import processes
from tasks.views import diagram
from tasks.views.diagram import Picture

DEFAULT = "push_all"
"""What is drawn where no task is named."""

_DRAW_SECONDS = 120.0
"""How long graphviz may take; Sleeper's graph takes it a second."""

_FORMATS = {
    "text": "lines for a terminal",
    "mermaid": "for GitHub's Markdown, and https://mermaid.js.org",
    "dot": "graphviz's language",
    "svg": "a picture, drawn by graphviz",
}

_SUFFIXES = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".mermaid": "mermaid"}


class Graph(Reading):
    """Draws the tasks that a run of the named ones would look at."""

    name = "graph"
    doc_purpose = "draw the graph of tasks"
    doc_usage = "[TASK ...] [--plan] [--format FORMAT] [--output FILE]"
    doc_description = (
        f"Draws what the named tasks wait for, {DEFAULT} where none is named. With --plan each image has the colour of "
        "what a push would do about it, which asks the registry. The format is text, or follows from the file's "
        "suffix. docs/graph.md shows it."
    )

    cmd_options = (
        text_option("format", "what to write", choices=tuple(_FORMATS.items())),
        text_option("output", "write to this file", short="o"),
        {
            "name": "plan",
            "short": "",
            "long": "plan",
            "type": bool,
            "default": False,
            "help": "colour each image by what a push would do about it",
        },
        JSON,
    )

    def _execute(self, format: str, output: str, plan: bool, json: bool, pos_args: list[str]) -> int:  # noqa: A002, FBT001  # doit hands over its options by their names.
        tasks = {task.name: task for task in self.task_list}
        # With a plan, the word says whose: the sandbox's.
        words = [word for word in pos_args if not (plan and word == SANDBOX)]
        names = closure(tasks, matching(tasks, words or [DEFAULT]))
        states = _states(current(), diagram.picture(tasks, names, {})) if plan else {}
        drawn = diagram.picture(tasks, names, states)
        written = encoded(diagram.as_object(drawn)) if json else _writer(format or _by_suffix(output))(drawn)
        if output:
            write(output, written)
        else:
            self.say(written)
        return 0


def svg(drawn: Picture) -> str:
    """Have graphviz draw a diagram.

    Raises:
        InvalidCommand: it is not installed, or did not draw it.
    """
    if shutil.which("dot") is None:
        raise InvalidCommand(
            "an SVG is drawn by graphviz, and there is no program `dot`\n"
            "  next: install graphviz (apt-get install graphviz, dnf install graphviz, brew install graphviz), "
            "or take another --format: mermaid, dot, text"
        )
    try:
        done = processes.check(
            ["dot", "-Tsvg"],
            next_step="see what it says of the picture: doit graph --format dot",
            stdin=diagram.dot(drawn),
            timeout=_DRAW_SECONDS,
        )
    except SleeperImagesError as error:
        raise InvalidCommand(str(error)) from None
    return diagram.without_declarations(done.output)


def _writer(name: str) -> Callable[[Picture], str]:
    return {"text": diagram.text, "mermaid": diagram.mermaid, "dot": diagram.dot, "svg": svg}[name]


def _by_suffix(output: str) -> str:
    return next((name for suffix, name in _SUFFIXES.items() if output.lower().endswith(suffix)), "text")


def _states(session: Session, drawn: Picture) -> dict[str, str]:
    """Return the state of each image in the picture; one that cannot be told is `unknown` or `blocked`, not an end.

    Raises:
        InvalidCommand: nothing says where images go, or what they are made of: no image could be told.
    """
    check_sandbox(session)
    check_destination(session)
    images = [session.catalogue.image(name) for name in drawn.images() if name]
    session.ask(pushes=images, loads=())
    return {image.name: state(session.decisions.of(image)) for image in images}
