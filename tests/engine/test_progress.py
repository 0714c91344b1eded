"""The files in buildkit/ are what buildx 0.13.1 wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine.progress import Progress, Reader, Step
from tests import golden

SAID = Path(__file__).parent / "buildkit"


def read(lines: list[str]) -> tuple[list[str], list[Progress]]:
    """Return what the log gets for buildx's lines, and what the listener was told."""
    told: list[Progress] = []
    reader = Reader(told.append)
    text = [line for said in lines for line in reader.line(said)] + list(reader.end())
    reader.finish()
    return text, told


def recorded(name: str) -> tuple[list[str], list[Progress]]:
    return read((SAID / name).read_text().splitlines())


@pytest.mark.parametrize("name", ["push", "failure", "logs", "cached"])
def test_the_log_is_text_for_people(name: str) -> None:
    text, _ = recorded(f"{name}.json")
    golden.check(f"buildkit-{name}.txt", "\n".join(text) + "\n")


def test_other_text_goes_to_the_log_as_it_is() -> None:
    lines = ["#1 [1/1] COPY x /", "", "ERROR: failed to solve: canceled"]
    assert read(lines) == (lines, [Progress(ended=True)])


def test_steps_tell_how_long_they_took() -> None:
    (ran,) = [step for step in recorded("logs.json")[1][-1].steps if " RUN " in step.name]
    assert ran.seconds == pytest.approx(0.2, abs=0.05)


def test_a_step_that_was_not_run_is_cached() -> None:
    assert [step.cached for step in recorded("cached.json")[1][-1].steps if step.name.startswith("[2/2]")] == [True]


def test_a_step_that_failed_says_why() -> None:
    errors = [step.error for step in recorded("failure.json")[1][-1].steps if step.error]
    assert ['"/nope": not found' in error for error in errors] == [True]


def test_bytes_that_are_sent_are_told_as_they_go() -> None:
    sent = [one.sent for one in recorded("push.json")[1] if one.step == "load build context"]
    assert sent == sorted(sent)
    assert sent[-1] == 100018345


def test_the_layers_that_an_engine_pushes_are_told_with_their_size() -> None:
    vertex = {"digest": "a", "name": "pushing h/x with docker", "started": "2026-01-01T00:00:00Z"}
    status = {"vertex": "a", "id": "pushing layer aa", "current": 1_500_000, "total": 4_000_000}
    told = read([json.dumps({"vertexes": [vertex], "statuses": [status]})])[1]
    assert told[0] == Progress("pushing layer aa", 1_500_000, 4_000_000)


def test_what_is_exported_is_told_by_what_is_done_to_it() -> None:
    steps = [one.step for one in recorded("push.json")[1]]
    assert steps.index("exporting layers") < steps.index("pushing layers")


def test_one_object_a_line_is_read_as_well() -> None:
    decoder, said, objects = json.JSONDecoder(), (SAID / "push.json").read_text(), []
    while said := said.lstrip():
        found, end = decoder.raw_decode(said)
        objects.append(json.dumps(found))
        said = said[end:]
    assert read(objects)[0] == recorded("push.json")[0]


def test_nothing_is_lost_of_an_object_that_is_cut_off() -> None:
    lines = (SAID / "push.json").read_text().splitlines()[:7]
    assert read(lines)[0] == lines


def test_an_error_within_an_object_is_not_swallowed() -> None:
    lines = ["{", '  "vertexes": [', "ERROR: the engine is gone"]
    assert read(lines)[0] == lines


def test_a_warning_is_told() -> None:
    vertex = {"digest": "a", "name": "[1/1] COPY", "started": "2026-01-01T00:00:00Z"}
    warning = {"vertex": "a", "level": 1, "short": "TGVnYWN5S2V5"}
    text, _ = read([json.dumps({"vertexes": [vertex], "warnings": [warning]})])
    assert text == ["#1 [1/1] COPY", "#1 WARN: LegacyKey", ""]


lines = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))
shapes = st.recursive(
    st.none() | st.integers() | st.text() | st.booleans() | st.floats(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["vertexes", "statuses", "logs", "warnings", "digest", "name", "vertex", "id", "started", "completed",
             "current", "total", "data", "timestamp", "short", "error", "cached"]
        ),
        inner,
        max_size=5,
    ),
)  # fmt: skip


@given(st.lists(lines))
def test_any_text_goes_to_the_log_as_it_is(said: list[str]) -> None:
    assert [line for line in read(said)[0] if line] == [line for line in said if line]


@given(st.lists(shapes.map(json.dumps)))
def test_no_json_of_another_shape_is_a_fault(said: list[str]) -> None:
    read(said)


@given(st.lists(st.sampled_from((SAID / "push.json").read_text().splitlines()), max_size=40))
def test_no_order_of_its_lines_is_a_fault(said: list[str]) -> None:
    read(said)


def test_a_step_that_never_ended_took_no_known_time() -> None:
    text = json.dumps({"vertexes": [{"digest": "a", "name": "x", "started": "2026-01-01T00:00:00Z"}]})
    assert read([text])[1][-1].steps == (Step("x", None),)
