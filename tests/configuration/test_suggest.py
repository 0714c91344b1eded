from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration.suggest import closest, did_you_mean


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
    code = "import sys, tasks.configuration.suggest; sys.exit('difflib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
