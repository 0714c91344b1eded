from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.engine.progress import Progress
from tasks.report.events import Event, Moved, Noted, RunState
from tasks.report.jsonl import JsonLines
from tasks.system.terminal import Terminal
from tests import golden
from tests.report import runs

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "output.md").read_text()


def shown(events: list[Event]) -> list[dict[str, Any]]:
    """Return the objects that the events write."""
    stream, run = io.StringIO(), RunState()
    display = JsonLines(Terminal(stream, {}))
    for event in events:
        run.add(event)
        display.show(event, run)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_run_with_every_outcome() -> None:
    golden.check("run-every-outcome.jsonl", "".join(json.dumps(one) + "\n" for one in shown(runs.whole())))


@pytest.mark.parametrize("name", ["event", *sorted({key for one in shown(runs.whole()) for key in one} - {"event"})])
def test_each_member_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENT


@pytest.mark.parametrize("kind", sorted({one["event"] for one in shown(runs.whole())}))
def test_each_kind_of_event_is_documented(kind: str) -> None:
    assert f"`{kind}`" in DOCUMENT


def test_every_time_is_the_time_of_day() -> None:
    assert [one["at"] for one in shown(runs.whole()[:2])] == [
        "2023-11-14T22:13:20.000+00:00",
        "2023-11-14T22:13:20.100+00:00",
    ]


def test_the_same_step_is_told_once_a_second_and_another_one_at_once() -> None:
    moved: list[Event] = [Moved(at, "push:ingest", Progress("a", int(at * 10))) for at in (0.1, 0.2, 0.9, 1.2, 1.3)]
    moved.append(Moved(1.4, "push:ingest", Progress("b")))
    told = shown([runs.started("ingest"), *moved])[1:]
    assert [(one["step"], one["bytes"]) for one in told] == [("a", 1), ("a", 12), ("b", 0)]


def test_characters_are_escaped_so_that_any_encoding_will_do() -> None:
    stream = io.StringIO()
    event = Noted(1, "x", "é → \u2028")
    JsonLines(Terminal(stream, {})).show(event, runs.after([runs.started()]))
    assert stream.getvalue().isascii()
    assert len(stream.getvalue().splitlines()) == 1
