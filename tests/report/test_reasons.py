from __future__ import annotations

import threading

import pytest

from tasks.report import reasons
from tasks.report.reasons import Reasons


def test_a_reason_that_was_found_out_stands_for_the_other() -> None:
    found = Reasons(lambda: {"ingest": "docker/ingest/Dockerfile changed"})
    found.begin()
    assert found.of("ingest", "other") == "docker/ingest/Dockerfile changed"
    assert found.of("query-lambda", "other") == "other"


def test_nothing_is_found_out_that_nobody_began() -> None:
    assert Reasons(lambda: {"ingest": "changed"}).of("ingest", "other") == "other"


def test_reasons_are_found_out_once() -> None:
    called: list[int] = []

    def explain() -> dict[str, str]:
        called.append(1)
        return {}

    found = Reasons(explain)
    for _ in range(3):
        found.begin()
    found.of("ingest", "")
    assert called == [1]


def test_what_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "PATIENCE", 0.0)
    asked = threading.Event()
    found = Reasons(lambda: {"ingest": "late"} if asked.wait(30) else {})
    found.begin()
    assert found.of("ingest", "other") == "other"
    asked.set()
