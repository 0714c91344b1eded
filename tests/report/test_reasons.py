from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tasks.report import reasons
from tasks.report.reasons import Reasons


def test_a_reason_that_was_found_out_stands_for_the_other() -> None:
    found = Reasons(lambda: iter([("ingest", "docker/ingest/Dockerfile changed")]))
    found.begin()
    assert found.of("ingest", "other") == "docker/ingest/Dockerfile changed"
    assert found.of("query-lambda", "other") == "other"


def test_nothing_is_found_out_that_nobody_began() -> None:
    assert Reasons(lambda: iter([("ingest", "changed")])).of("ingest", "other") == "other"


def test_reasons_are_found_out_once() -> None:
    called: list[int] = []

    def explain() -> Iterator[tuple[str, str]]:
        called.append(1)
        yield "ingest", "changed"

    found = Reasons(explain)
    for _ in range(3):
        found.begin()
        assert found.of("ingest", "other") == "changed"
    assert called == [1]


def test_one_reason_does_not_wait_for_the_next() -> None:
    told = threading.Event()

    def explain() -> Iterator[tuple[str, str]]:
        yield "ingest", "changed"
        told.wait(30)
        yield "query-lambda", "changed too"

    found = Reasons(explain)
    found.begin()
    assert found.of("ingest", "other") == "changed"
    told.set()
    assert found.of("query-lambda", "other") == "changed too"


def test_what_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "PATIENCE", 0.0)
    asked = threading.Event()

    def explain() -> Iterator[tuple[str, str]]:
        asked.wait(30)
        yield "ingest", "late"

    found = Reasons(explain)
    found.begin()
    assert found.of("ingest", "other") == "other"
    asked.set()


def test_a_fault_of_ours_is_shown_and_fails_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: shown.set())

    def explain() -> Iterator[tuple[str, str]]:
        yield "ingest", "changed"
        raise ZeroDivisionError

    found = Reasons(explain)
    found.begin()
    assert found.of("query-lambda", "other") == "other"
    assert shown.wait(30)
