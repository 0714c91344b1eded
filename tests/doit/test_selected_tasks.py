from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from doit.exceptions import InvalidCommand

from tasks.graph.selected_tasks import images_of, matching, with_prerequisites
from tasks.model import Builder, Catalogue, Image, Kind

INGEST, QUERY = (Image(name, Kind.DEPLOYMENT, name) for name in ("ingest", "query"))


def task(*after: str, verb: str = "", image: str = "") -> Any:
    meta = {"verb": verb, "image": image} if image else {"verb": verb} if verb else None
    return SimpleNamespace(task_dep=list(after), meta=meta)


TASKS = {
    "push_all": task("push:ingest", "push:query"),
    "push:ingest": task("stage:ingest", "login", verb="push", image="ingest"),
    "push:query": task("stage:query", "login", verb="push", image="query"),
    "stage:ingest": task(verb="stage", image="ingest"),
    "stage:query": task(verb="stage", image="query"),
    "login": task(verb="login"),
}


def test_names_keep_their_order_and_a_patterns_matches_follow_that_of_the_tasks() -> None:
    assert matching(TASKS, ["login", "push:*", "push:query"]) == ["login", "push:ingest", "push:query"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("push:ingset", "unknown task 'push:ingset'; did you mean 'push:ingest'?"),
        ("push:*zz", "no task matches 'push:*zz'"),
        ("", "unknown task ''"),
    ],
)
def test_an_unknown_word_is_refused_with_a_next_step(word: str, expected: str) -> None:
    with pytest.raises(InvalidCommand) as raised:
        matching(TASKS, [word])
    assert str(raised.value).startswith(expected)
    assert str(raised.value).endswith("\n  next: `doit list --all` lists every task")


def test_a_task_runs_with_its_prerequisites_and_their_prerequisites() -> None:
    assert with_prerequisites(TASKS, ["push:ingest"]) == {"push:ingest", "stage:ingest", "login"}
    assert with_prerequisites(TASKS, ["push_all"]) == set(TASKS)
    assert with_prerequisites(TASKS, ["*:ingest"]) == {"push:ingest", "stage:ingest", "login"}


def test_a_word_that_is_not_a_task_is_left_out_of_its_prerequisites() -> None:
    assert with_prerequisites(TASKS, ["login", "-k", "presence"]) == {"login"}


def test_images_of_tasks_are_those_of_the_verbs_in_the_catalogues_order(tmp_path: Any) -> None:
    catalogue = Catalogue(tmp_path / "catalogue.yaml", (INGEST, QUERY), Builder("b"), ())
    assert images_of(catalogue, TASKS, ["push:query", "push:ingest", "login", "push_all"], "push") == [INGEST, QUERY]
    assert images_of(catalogue, TASKS, ["push:query", "stage:ingest"], "stage") == [INGEST]
