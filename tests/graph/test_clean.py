import fcntl
from pathlib import Path

import pytest

from tasks.engine import builder_records
from tasks.model import Builder
from tests.graph.conftest import Graph

pytestmark = pytest.mark.graph

FINGERPRINT = "0123456789ab"


@pytest.fixture
def used(graph: Graph) -> Graph:
    """A checkout in which images were built, and one build was killed while its context was staged."""
    for context in (f"ingest-{FINGERPRINT}", f"query-lambda-{FINGERPRINT}.partial", f"load/ingest-{FINGERPRINT}"):
        (graph.state / "contexts" / context).mkdir(parents=True)
        (graph.state / "contexts" / context / "Dockerfile").write_text("FROM scratch\n")
    (graph.state / "logs").mkdir()
    for log in ("push-ingest.log", "push-ingest.json", "build-ingest.log", "push-query-lambda.log"):
        (graph.state / "logs" / log).write_text("")
    (graph.state / "builder.json").write_text("{}")
    return graph


def left(graph: Graph) -> set[str]:
    """Return the contexts and logs that are there."""
    logs = {f"logs/{path.name}" for path in (graph.state / "logs").glob("*")}
    contexts = {path.parent for path in (graph.state / "contexts").rglob("Dockerfile")}
    return logs | {str(path.relative_to(graph.state)) for path in contexts}


def stand_in(graph: Graph) -> Path:
    """Put a docker on PATH that has a builder called sleeper; return the file of what it was asked."""
    calls = graph.root / "calls"
    docker = graph.root / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(f'#!/bin/sh\necho "$*" >> {calls}\necho "Driver: docker-container"\n')
    docker.chmod(0o755)
    return calls


@pytest.mark.parametrize("words", ["", "--clean-all", "--clean-dep"])
def test_clean_removes_every_context_and_log(used: Graph, words: str) -> None:
    calls = stand_in(used)
    done = used.doit("clean", *words.split())
    assert done.code == 0
    assert left(used) == set()
    assert f"removed {used.state}/contexts" in done.out
    assert f"removed {used.state}/logs" in done.out
    assert not calls.exists()
    assert (used.state / "builder.json").exists()
    assert used.scripts.exists()


def test_clean_has_nothing_to_do_twice(used: Graph) -> None:
    used.doit("clean")
    done = used.doit("clean")
    assert (done.code, done.out) == (0, "nothing to remove\n")


def test_a_dry_run_says_what_would_be_removed_and_removes_nothing(used: Graph) -> None:
    before = left(used)
    done = used.doit("clean", "--dry-run")
    assert f"would remove {used.state}/contexts" in done.out
    assert left(used) == before


@pytest.mark.parametrize(
    ("words", "removed"),
    [
        ("stage:ingest", {f"contexts/ingest-{FINGERPRINT}", f"contexts/load/ingest-{FINGERPRINT}"}),
        ("stage:query-lambda", {f"contexts/query-lambda-{FINGERPRINT}.partial"}),
        ("push:ingest", {"logs/push-ingest.log", "logs/push-ingest.json"}),
        ("build:ingest", {"logs/build-ingest.log"}),
        ("push:*", {"logs/push-ingest.log", "logs/push-ingest.json", "logs/push-query-lambda.log"}),
        ("push", {"logs/push-ingest.log", "logs/push-ingest.json", "logs/push-query-lambda.log"}),
        ("push:query-lambda -c", None),
    ],
)
def test_clean_of_a_task_removes_what_that_task_made(used: Graph, words: str, removed: set[str] | None) -> None:
    calls = stand_in(used)
    before = left(used)
    task, *options = words.split()
    done = used.doit("clean", *options, task)
    expected = {f"contexts/query-lambda-{FINGERPRINT}.partial", "logs/push-query-lambda.log"}
    assert before - left(used) == (expected if removed is None else removed)
    assert done.code == 0
    assert not calls.exists()


def test_only_clean_builder_removes_the_builder(used: Graph) -> None:
    calls = stand_in(used)
    instance = builder_records.instance_path("sleeper", used.environment)
    instance.parent.mkdir(parents=True)
    instance.write_text("{}")
    builder_records.finish(Builder("sleeper", "docker-container"), used.environment, daemon=True)
    done = used.doit("clean", "builder")
    assert (done.code, done.out) == (0, "removed the builder sleeper\n")
    assert calls.read_text().splitlines() == ["buildx inspect sleeper", "buildx rm sleeper"]
    assert not (used.state / "builder.json").exists()
    assert left(used)


@pytest.mark.parametrize("pattern", ["*", "b*", "push:ingest builder*"])
def test_no_pattern_removes_the_builder_or_the_sandbox(used: Graph, pattern: str) -> None:
    calls = stand_in(used)
    (used.root / "sandbox").mkdir()
    used.doit("clean", "-c", *pattern.split())
    assert not calls.exists()
    assert (used.root / "sandbox").exists()


def test_clean_waits_for_no_run_and_says_who_it_is(used: Graph) -> None:
    before = left(used)
    with (used.state / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("4711 doit push_all\n")
        held.flush()
        done = used.doit("clean")
    assert done.code == 3
    assert "is held by process 4711 (doit push_all)" in done.err
    assert "Traceback" not in done.err
    assert left(used) == before


def test_what_cannot_be_removed_is_said_and_fails(used: Graph) -> None:
    (used.state / "logs").rename(used.state / "kept")
    (used.state / "logs").symlink_to(used.state / "kept")
    done = used.doit("clean")
    assert done.code == 1
    assert "cannot be removed" in done.out
    assert "Traceback" not in done.text
    assert (used.state / "kept" / "push-ingest.log").exists()
