from __future__ import annotations

import json
from dataclasses import replace

from tasks.commands.plan import Plan, Planned, as_object, as_text
from tasks.image.difference import Change, EntryChange
from tasks.model import Image, Kind
from tasks.records import Comparison
from tasks.reference import Digest
from tests import golden

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
    "not yet tagged 0.36.0",
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
    return as_text(Plan(images), WHERE, "0.36.0")


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
    found = as_object(Plan((CURRENT, BUILD)), WHERE, "0.36.0")
    golden.check("plan.json", json.dumps(found, indent=2) + "\n")


def test_a_plan_of_nothing() -> None:
    assert as_text(Plan(()), None, None) == "no images are selected\n"


def test_colour_is_of_the_state_alone() -> None:
    (first, *_) = as_text(Plan((CURRENT,)), None, None, colour=True).splitlines()
    assert first == "  \x1b[32mcurrent\x1b[0m  ingest  3f1c2a9b77aa"


def test_lines_fit_eighty_columns_below_the_name_of_the_registry() -> None:
    assert max(len(line) for line in lines(CURRENT, LONG, RETAG, BUILD, LOADED).splitlines()[1:]) <= 80


def test_lines_fit_a_narrow_terminal() -> None:
    shown = as_text(Plan((CURRENT, LONG, RETAG, BUILD)), None, "0.36.0", width=50).splitlines()
    assert max(len(line) for line in shown if " " in line.strip()) <= 50


def test_files_whose_special_bits_are_lost_are_told_once_for_all_images() -> None:
    files = tuple(f"docker/lambda/{name}" for name in ("su", "tmp"))
    built = [replace(one, special=files) for one in (BUILD, LONG)]
    shown = lines(*built, replace(CURRENT, special=("docker/ingest/su",)))
    told = (
        "modes docker/lambda/su and 1 more (query-lambda, compaction-job-execution): setuid, setgid and sticky bits "
        "are lost; set them in the Dockerfile (COPY --chmod)"
    )
    assert " ".join(shown.split()).count(told) == 1
    assert "docker/ingest/su" not in shown
