from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.commands import graph as diagram
from tasks.commands.graph import Picture
from tests import golden

_SVG = "{http://www.w3.org/2000/svg}"

STATES = {"ingest": "current", "query-lambda": "build"}


def task(*after: str, image: str = "", group: bool = False) -> Any:
    """Return what doit knows of a task."""
    return SimpleNamespace(
        task_dep=list(after), meta={"image": image} if image else None, doc="Does it.", actions=[] if group else [1]
    )


TASKS: Mapping[str, Any] = {
    "push_all": task("push:ingest", "push:query-lambda", group=True),
    "builder": task("sandbox"),
    "stage:ingest": task("sandbox", image="ingest"),
    "stage:query-lambda": task("sandbox", image="query-lambda"),
    "push:ingest": task("stage:ingest", "builder", "sandbox", image="ingest"),
    "push:query-lambda": task("stage:query-lambda", "builder", image="query-lambda"),
    "sandbox": task(),
    "elsewhere": task(),
}

DRAWN = diagram.picture(TASKS, [name for name in TASKS if name != "elsewhere"], STATES)


def hostile() -> Picture:
    """Return a picture with every character that the two languages could stumble over."""
    return diagram.picture(
        {'a"b\\': task("c#d;[]{}()|<b>--> end\n%%", image='q"#\\'), "c#d;[]{}()|<b>--> end\n%%": task()},
        ['a"b\\', "c#d;[]{}()|<b>--> end\n%%"],
        {'q"#\\': "build"},
    )


def drawn_by_graphviz(text: str) -> ET.Element:
    """Return the SVG that graphviz draws."""
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return ET.fromstring(diagram.without_declarations(done.stdout))  # noqa: S314  # What graphviz wrote of our text.


def titles(svg: ET.Element, kind: str) -> list[str]:
    return sorted(str(group.findtext(f"{_SVG}title")) for group in svg.iter(f"{_SVG}g") if group.get("class") == kind)


@pytest.mark.parametrize(
    ("name", "write"), [("graph.txt", diagram.text), ("graph.mmd", diagram.mermaid), ("graph.dot", diagram.dot)]
)
def test_the_picture_in_each_language(name: str, write: Any) -> None:
    golden.check(name, write(DRAWN))


def test_an_arrow_that_others_say_already_is_not_drawn() -> None:
    arrows = {(before.name, node.name) for before, node in DRAWN.arrows()}
    assert ("sandbox", "push:ingest") not in arrows
    assert ("sandbox", "builder") in arrows
    assert ("builder", "push:ingest") in arrows


def test_programs_get_every_task_that_one_waits_for() -> None:
    found = {one["name"]: one for one in diagram.as_object(DRAWN)["tasks"]}
    assert found["push:ingest"] == {
        "name": "push:ingest",
        "image": "ingest",
        "state": "current",
        "after": ["stage:ingest", "builder", "sandbox"],
        "doc": "Does it.",
    }
    assert found["sandbox"]["image"] is None


def test_graphviz_draws_each_task_arrow_and_image_and_nothing_that_points_elsewhere() -> None:
    svg = drawn_by_graphviz(diagram.dot(DRAWN))
    assert titles(svg, "node") == sorted(node.name for node in DRAWN.nodes)
    assert len(titles(svg, "edge")) == len(DRAWN.arrows())
    assert len(titles(svg, "cluster")) == 2
    assert not [name for one in svg.iter() for name in one.attrib if name.endswith("href")]


def test_what_images_share_is_drawn_left_of_them_so_that_its_arrows_cross_no_name() -> None:
    svg = drawn_by_graphviz(diagram.dot(DRAWN))

    def left(kind: str) -> dict[str, float]:
        groups = [one for one in svg.iter(f"{_SVG}g") if one.get("class") == kind]
        paths = {str(one.findtext(f"{_SVG}title")): one.find(f"{_SVG}path") for one in groups}
        return {
            name: min(float(x) for x in re.findall(r"([\d.]+),", path.attrib["d"]))
            for name, path in paths.items()
            if path is not None
        }

    assert left("node")["builder"] < min(left("cluster").values())


def test_graphviz_takes_any_name() -> None:
    assert len(titles(drawn_by_graphviz(diagram.dot(hostile())), "node")) == 2


def test_no_picture_names_an_address() -> None:
    for text in (diagram.text(DRAWN), diagram.mermaid(DRAWN), diagram.dot(DRAWN)):
        assert "://" not in text


def test_mermaid_names_each_box_once_and_no_other_in_an_arrow_or_a_class() -> None:
    for one in (DRAWN, hostile()):
        lines = diagram.mermaid(one).splitlines()
        boxes = [match[1] for line in lines if (match := re.fullmatch(r"\s+(t\d+)\(?\[\"[^\"]*\"\]\)?", line))]
        arrows = [match.groups() for line in lines if (match := re.fullmatch(r"  (t\d+) --> (t\d+)", line))]
        classes = [match[1].split(",") for line in lines if (match := re.fullmatch(r"  class ([t\d,]+) [a-z]+", line))]
        openings = [line for line in lines if re.fullmatch(r"  subgraph i\d+\[\"[^\"]*\"\]", line)]
        known = len(boxes) + len(arrows) + len(classes) + 2 * len(openings) + 1
        assert known + sum(line.startswith("  classDef ") for line in lines) == len(lines)
        assert len(boxes) == len(set(boxes)) == len(one.nodes)
        assert {name for arrow in arrows for name in arrow} <= set(boxes)
        assert {name for members in classes for name in members} <= set(boxes)
        assert lines.count("  end") == len(openings)


def test_a_picture_that_nobody_asked_a_plan_for_has_no_colours() -> None:
    plain = diagram.picture(TASKS, TASKS, {})
    assert "class" not in diagram.mermaid(plain)
    assert "current" not in diagram.text(plain)
