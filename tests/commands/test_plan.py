from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.commands.plan import as_json, as_lines, code
from tasks.inputs.difference import Change, EntryChange
from tasks.model import Image, Kind
from tasks.records import Comparison
from tasks.reference import Digest
from tasks.views.plan import Plan, Planned
from tests import golden
from tests.commands.test_settings import DODO

WHERE = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine"
IMAGES = {name: Image(name, Kind.DEPLOYMENT, name) for name in ("ingest", "compaction-job-execution", "committer")}
QUERY = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
DIGEST = Digest("sha256:" + "3f1c2a9b77aa" + "0" * 52)
CHANGE = Change(
    "context",
    "lambda.jar",
    "jar-1:" + "1" * 64,
    "jar-1:" + "2" * 64,
    entries=(EntryChange("sleeper/query/Foo.class", "0" * 12, "1" * 12),),
)

CURRENT = Planned("push:ingest", IMAGES["ingest"], "current", "", fingerprint="a" * 64, digest=DIGEST, size=0)
RETAG = Planned(
    "push:committer",
    IMAGES["committer"],
    "retag",
    "the registry has these inputs, but no tag 0.36.0",
    fingerprint="a" * 64,
    digest=DIGEST,
    size=0,
)
BUILD = Planned(
    "push:query-lambda",
    QUERY,
    "build",
    "query-0.36.0.jar: 1 entry changed: sleeper/query/Foo.class",
    fingerprint="b" * 64,
    unpinned=("debian:12",),
    size=109_400_000,
    comparison=Comparison(DIGEST, (CHANGE,)),
)
LONG = Planned(
    "push:compaction-job-execution",
    IMAGES["compaction-job-execution"],
    "build",
    "docker/compaction-job-execution/Dockerfile changed; docker/compaction-job-execution/run.sh became executable; "
    "base debian:12 moved; and 2 more",
    unpinned=("debian:12", "eclipse-temurin:17-jre"),
    size=1_200,
)
LOADED = Planned("build:ingest", IMAGES["ingest"], "build", "for the local engine", size=0)


def faulty(name: str, state: str, reason: str, next_step: str) -> Planned:
    return Planned(f"push:{name}", IMAGES[name], state, reason, next_step)


def lines(*images: Planned) -> str:
    return "".join(f"{line}\n" for line in as_lines(Plan(images), WHERE, "0.36.0"))


def test_a_plan_in_plain_text() -> None:
    golden.check("plan.txt", lines(CURRENT, LONG, RETAG, BUILD, LOADED))


def test_a_plan_of_faults() -> None:
    gone = ("the registry did not answer: no answer in time", "see whether the registry is up")
    missing = "the jar /home/me/sleeper/scripts/jars/query-0.36.0.jar is not there"
    golden.check(
        "plan-faults.txt",
        lines(
            faulty("ingest", "unknown", *gone),
            faulty("committer", "unknown", *gone),
            faulty("compaction-job-execution", "blocked", missing, "run the Maven build"),
        ),
    )


def test_a_plan_for_programs() -> None:
    found = as_json(Plan((CURRENT, BUILD)), WHERE, "0.36.0")
    golden.check("plan.json", json.dumps(found, indent=2) + "\n")


def test_a_plan_of_nothing() -> None:
    assert list(as_lines(Plan(()), None, None)) == ["no images are selected"]


def test_colour_is_of_the_state_alone() -> None:
    (first, *_) = as_lines(Plan((CURRENT,)), None, None, colour=True)
    assert first == "  \x1b[32mcurrent\x1b[0m  ingest  3f1c2a9b77aa"


def test_lines_fit_eighty_columns_below_the_name_of_the_registry() -> None:
    assert max(len(line) for line in lines(CURRENT, LONG, RETAG, BUILD, LOADED).splitlines()[1:]) <= 80


def test_lines_fit_a_narrow_terminal() -> None:
    shown = list(as_lines(Plan((CURRENT, LONG, RETAG, BUILD)), None, "0.36.0", width=50))
    assert max(len(line) for line in shown if " " in line.strip()) <= 50


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ((CURRENT,), 0),
        ((), 0),
        ((CURRENT, RETAG), 4),
        ((CURRENT, BUILD), 4),
        ((BUILD, faulty("ingest", "unknown", "", "")), 5),
        ((CURRENT, faulty("ingest", "blocked", "", "")), 5),
    ],
)
def test_the_exit_code_tells_what_there_is_to_do(images: tuple[Planned, ...], expected: int) -> None:
    assert code(Plan(images)) == expected


def doit(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "dodo.py").write_text(
        f"{DODO}\n\ndef task_push_all():\n    return {{'actions': None}}\n\n\n"
        "def task_test():\n    return {'actions': None}\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "doit", "plan", *words]
    return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_a_task_that_does_not_exist_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    done = doit(tmp_path, "pushall")
    assert done.returncode == 3
    assert "did you mean 'push_all'?" in done.stderr


def test_a_task_that_is_about_no_image_has_no_plan(tmp_path: Path) -> None:
    done = doit(tmp_path, "test")
    assert done.returncode == 3
    assert "nothing to plan" in done.stderr


def test_a_sandbox_that_does_not_run_is_not_waited_for(tmp_path: Path) -> None:
    done = doit(tmp_path, "target=sandbox", f"sandbox_dir={tmp_path}")
    assert done.returncode == 3
    assert "the sandbox is not started" in done.stderr
    assert "doit sandbox" in done.stderr
