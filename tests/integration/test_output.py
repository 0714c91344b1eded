"""What real runs show: as lines, on a terminal, as events, into a pipe that closes, and when interrupted."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests import golden, trees
from tests.integration.project import CHECKOUT, IMAGES, Project
from tests.report.screen import Screen

pytestmark = pytest.mark.integration

SOME = ("ingest", "metrics-lambda", "query-lambda")
CHOSEN = f"images={','.join(SOME)}"
BOARD = {"TERM": "xterm-256color", "CI": "", "NO_COLOR": ""}

_numbers = itertools.count()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Project:
    """A project of small images, one built at a time which gives the lines one order."""
    # All tests' registries look alike in what is shown but for the port, which is masked.
    made = Project(tmp_path, sandbox, engine, f"output-{next(_numbers)}", {"PARALLEL": "1"})
    sample.make(made.scripts, IMAGES, "1.2.3")
    return made


def masked(text: str, project: Project) -> str:
    """Return an output without what differs from run to run and from machine to machine."""
    text = text.replace(str(project.root), "ROOT").replace(project.instance, "INSTANCE")
    text = text.replace(project.sandbox.docker_registry, "REGISTRY")
    text = re.sub(r"^  note .*\n(?: {12}\S.*\n)*", "", text, flags=re.MULTILINE)  # Which builder there is.
    text = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", text)
    text = re.sub(r" *\d+\.\d s\b", "  TIME", text)
    text = re.sub(r" *\d+\.\d kB", "  SIZE", text)
    return re.sub(r"^(  slowest ).*", r"\1", text, flags=re.MULTILINE)


def events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def on_a_terminal(project: Project, *words: str) -> tuple[subprocess.Popen[bytes], Screen]:
    """Start doit on a terminal."""
    screen = Screen()
    (project.root / "home").mkdir(exist_ok=True)
    (project.root / "t").mkdir(exist_ok=True)
    started = subprocess.Popen(
        [sys.executable, "-m", "tasks", *words],
        cwd=CHECKOUT,
        env={**project.environment(), **BOARD},
        stdin=subprocess.DEVNULL,
        stdout=screen.stream.fileno(),
        stderr=screen.stream.fileno(),
        process_group=0,
    )
    return started, screen


def test_lines_of_a_first_push_of_a_no_op_and_of_another_version(project: Project) -> None:
    shown = "".join(project.push_all(CHOSEN, *more).output for more in ([], [], ["version=1.2.4", "images=ingest"]))
    golden.check("push-all.txt", in_order(masked(shown, project)))


def in_order(text: str) -> str:
    """Sort the pairs of lines of images that one after another began and ended: doit leaves their order to chance."""
    return re.sub(r"(?:  build .*\n  built .*\n)+", _sorted, text)


def _sorted(found: re.Match[str]) -> str:
    return "".join(sorted(re.findall(r"  build .*\n  built .*\n", found[0])))


def test_a_failure_is_one_block_with_the_end_of_what_buildkit_said(project: Project) -> None:
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY not-there /x\n")
    done = project.run("push_all", CHOSEN)
    block = done.output[done.output.index("FAILED push:ingest") :].partition("\n\n")[0]
    assert '"/not-there": not found' in block
    assert "log:" in block
    assert "vertexes" not in done.output
    assert "  failed       ingest\n" in done.output


def test_a_run_says_why_it_builds_in_the_words_of_the_plan(project: Project) -> None:
    project.push_all(CHOSEN)
    edited = trees.rewrite(project.scripts / "jars" / "query-1.2.3.jar", edited=True)
    seen = events(project.run("run", "--reporter", "jsonl", "push_all", CHOSEN).output)
    (reason,) = [one["reason"] for one in seen if one["event"] == "task-ended" and one["outcome"] == "built"]
    assert reason == f"query-1.2.3.jar: 1 entry changed: {edited}"
    assert f"<td class=why>{reason}</td>" in (project.state / "report.html").read_text()


def test_logs_are_text_for_people(project: Project) -> None:
    project.push_all(CHOSEN)
    log = (project.state / "logs" / "push-ingest.log").read_text()
    assert re.search(r"^#\d+ \[1/1\] COPY ingest\.jar /ingest\.jar$", log, re.MULTILINE)
    assert "vertexes" not in log


def test_events_tell_the_whole_run(project: Project) -> None:
    done = project.run("run", "--reporter", "jsonl", "push_all", CHOSEN)
    seen = events(done.output)
    assert (seen[0]["event"], seen[-1]["event"]) == ("run-started", "run-ended")
    ends = {one["image"]: one for one in seen if one["event"] == "task-ended" and one["verb"] == "push"}
    assert set(ends) == set(SOME)
    assert {name: (one["digest"], 0) for name, one in ends.items()} == {
        name: (tags["1.2.3"][0], 0) for name, tags in done.after.items()
    }
    assert seen[-1]["counts"]["built"] == 3
    assert seen[-1]["bytes"] == sum(one["bytes"] for one in ends.values()) > 0


def test_events_tell_of_steps_in_the_order_in_which_a_build_has_them(project: Project) -> None:
    seen = events(project.run("run", "--reporter", "jsonl", "push_all", "images=ingest").output)
    steps = [one["step"] for one in seen if one["event"] == "progress"]
    assert steps.index("load build context") < steps.index("pushing layers")


def test_the_page_tells_of_the_run(project: Project) -> None:
    done = project.push_all(CHOSEN)
    page = (project.state / "report.html").read_text()
    assert "<title>3 images: 3 built</title>" in page
    for tags in done.after.values():
        assert tags["1.2.3"][0] in page


def test_a_run_without_changes_keeps_the_report_of_the_last_run_that_had_some(project: Project) -> None:
    project.push_all(CHOSEN)
    before = (project.state / "report.html").read_bytes()
    assert "report" not in project.push_all(CHOSEN).output
    assert (project.state / "report.html").read_bytes() == before


def test_a_terminal_is_left_with_lines_and_no_board(project: Project) -> None:
    started, screen = on_a_terminal(project, "push_all", CHOSEN)
    assert started.wait(300) == 0
    lines = screen.lines()
    assert "in progress" in screen.raw.decode()
    assert not [line for line in lines if "in progress" in line]
    assert len([line for line in lines if line.startswith("  built ")]) == 3
    assert screen.cursor_is_shown


def test_an_interrupt_gives_the_terminal_back(project: Project) -> None:
    begun = project.root / "begun"
    os.mkfifo(begun)
    project.before_each_build(f"echo > {begun}; sleep 100")
    started, screen = on_a_terminal(project, "push_all", CHOSEN)
    begun.read_text()
    started.send_signal(signal.SIGINT)
    assert started.wait(60) == 130
    lines = screen.lines()
    assert not [line for line in lines if "in progress" in line]
    assert [line for line in lines if re.fullmatch(r"3 images: 1 interrupted, 2 not run  [\d.]+ s", line)]
    assert screen.cursor_is_shown
    page = (project.state / "report.html").read_text()
    assert page.count("<td class=why>not in the registry</td>") == 3


def test_a_reader_that_has_gone_does_not_end_the_run(project: Project) -> None:
    started = project.start("push_all", CHOSEN)
    assert started.stdout is not None
    started.stdout.close()
    assert started.wait(300) == 0
    assert set(project.tags()) == set(SOME)


def test_another_encoding_does_not_end_the_run(project: Project) -> None:
    ascii_only = replace(project, variables={**project.variables, "PYTHONIOENCODING": "ascii"})
    assert ascii_only.push_all("images=ingest").output.startswith("sleeper-images -> ")
