from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration.faults import Faults, closest, did_you_mean, shown
from tasks.errors import CatalogueError


def test_faults_are_sorted_by_line_and_each_is_named_once() -> None:
    faults = Faults(Path("x.yaml"))
    for line, text in ((10, "b"), (2, "a"), (10, "b")):
        faults.add(line, text)
    with pytest.raises(CatalogueError) as caught:
        faults.check("correct it")
    assert caught.value.message.splitlines() == ["x.yaml:2: a", "x.yaml:10: b"]
    assert caught.value.next_step == "correct it"


def test_without_faults_nothing_is_raised() -> None:
    Faults(Path("x.yaml")).check("correct it")


def test_more_faults_than_a_screen_holds_are_counted() -> None:
    faults = Faults(Path("x.yaml"))
    for line in range(1, 28):
        faults.add(line, "wrong")
    with pytest.raises(CatalogueError) as caught:
        faults.check("correct it")
    assert caught.value.message.splitlines()[-2:] == ["x.yaml:25: wrong", "and 2 more"]


def test_a_path_below_here_is_shown_without_what_leads_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent) == str(tmp_path.parent)


def test_a_word_with_a_letter_too_few_is_recognised() -> None:
    assert closest("query-lamda", ["ingest", "query-lambda"]) == "query-lambda"


def test_case_does_not_count_and_the_known_spelling_is_given() -> None:
    assert closest("INGESTSTACKS", ["IngestStack", "QueryStack"]) == "IngestStack"


def test_a_word_like_none_of_the_known_suggests_nothing() -> None:
    assert did_you_mean("xyz", ["ingest", "query-lambda"]) == ""


def test_a_suggestion_ends_a_message() -> None:
    assert did_you_mean("ingst", ["ingest"]) == "; did you mean 'ingest'?"


@given(st.text(), st.lists(st.text()))
def test_what_is_suggested_is_known(word: str, known: list[str]) -> None:
    assert closest(word, known) in {None, *known}


@given(st.lists(st.text(min_size=1, max_size=50), min_size=1))
def test_a_known_word_suggests_itself_or_another_case_of_it(known: list[str]) -> None:
    assert (closest(known[0], known) or "").lower() == known[0].lower()


def test_difflib_is_not_imported_before_something_is_mistyped() -> None:
    code = "import sys, tasks.configuration.faults; sys.exit('difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
