from __future__ import annotations

from pathlib import Path

import pytest

from tasks.configuration.faults import Faults, shown
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
    assert caught.value.message.splitlines()[-2:] == ["x.yaml:25: wrong", "and 2 more like these"]


def test_a_path_below_here_is_shown_without_what_leads_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
