from __future__ import annotations

from pathlib import Path

from tasks.configuration import catalogue
from tasks.system.state import State
from tests.integration.project import CHECKOUT

INGEST, LAMBDA = catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml").images[:2]


def test_no_two_things_share_a_place(tmp_path: Path) -> None:
    state = State(tmp_path)
    places = [
        *(state.lock, state.digests, state.builder, state.pushed, state.report),
        *(state.contexts, state.loads, state.logs),
        *(state.log(verb, image) for verb in ("push", "build") for image in (INGEST, LAMBDA)),
        *(state.metadata(verb, image) for verb in ("push", "build") for image in (INGEST, LAMBDA)),
    ]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(tmp_path) for place in places)


def test_removing_logs_leaves_those_of_other_images_and_verbs(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.logs.mkdir()
    mine = [state.log("push", INGEST), state.metadata("push", INGEST)]
    others = [state.log("build", INGEST), state.log("push", LAMBDA)]
    for path in (*mine, *others):
        path.write_text("x")
    assert state.remove_logs("push", INGEST, dryrun=False) == mine
    assert sorted(state.logs.iterdir()) == sorted(others)


def test_a_dry_run_removes_no_logs(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.logs.mkdir()
    state.log("push", INGEST).write_text("x")
    assert state.remove_logs("push", INGEST, dryrun=True) == [state.log("push", INGEST)]
    assert state.log("push", INGEST).exists()
