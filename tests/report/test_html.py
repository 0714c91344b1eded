from __future__ import annotations

import errno
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.report.events import Began, Ended, RunState
from tasks.report.html import TAIL_LINES, page, write
from tests.report import runs

VOID = {"meta"}


class Tree(HTMLParser):
    """Reads a page: its text, its attributes, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


@pytest.fixture
def run(tmp_path: Path) -> RunState:
    log = tmp_path / "push.log"
    log.write_text("".join(f"line {number} <script>alert(1)</script> \x1b[31m\n" for number in range(1000)))
    return runs.after(runs.whole(log))


def test_every_element_is_closed(run: RunState) -> None:
    assert Tree(page(run, 62.4)).open == []


def test_nothing_runs_and_nothing_is_fetched(run: RunState) -> None:
    text = page(run, 62.4)
    tree = Tree(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(tree.names)
    assert not [name for name, _ in tree.attributes if name.startswith("on") or name == "src"]
    assert not re.findall(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in "".join(tree.values("content"))


def test_what_builds_print_is_text(run: RunState) -> None:
    text = page(run, 62.4)
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text


def test_every_link_leads_to_a_part_of_the_page(run: RunState) -> None:
    tree = Tree(page(run, 62.4))
    targets = [link.removeprefix("#") for link in tree.values("href")]
    assert targets
    assert set(targets) <= set(tree.values("id"))


def test_two_tasks_of_one_image_are_two_parts() -> None:
    events = [
        *runs.whole(),
        Began(1, "build:ingest", "build", "ingest", 1),
        Ended(2, "build:ingest", "build", "ingest", "loaded"),
    ]
    found = Tree(page(runs.after(events), 5)).values("id")
    assert len(found) == len(set(found))


def test_a_bar_stands_where_and_as_long_as_its_task_ran(run: RunState) -> None:
    tree = Tree(page(run, 62.4))
    styles = dict(zip(tree.values("title"), [one for one in tree.values("style") if "width" in one], strict=False))
    assert styles["push:ingest: built, 1 min 2 s"] == f"left:{60 / 62.4:.3f}%;width:{100 * 61.7 / 62.4:.3f}%"


def test_the_end_of_a_log_is_shown_and_not_the_whole(run: RunState) -> None:
    text = page(run, 62.4)
    assert "line 999 " in text
    assert f"line {1000 - TAIL_LINES} " in text
    assert f"line {999 - TAIL_LINES} " not in text


def test_a_log_that_is_gone_is_passed_over(tmp_path: Path) -> None:
    assert "The end of the log" not in page(runs.after(runs.whole(tmp_path / "gone")), 62.4)


@pytest.mark.parametrize(
    "word", ["41.2 MB", runs.DIGEST, "cached", "needs stage:metrics-lambda", "cannot boot", "0.36.0"]
)
def test_the_page_tells(word: str, run: RunState) -> None:
    assert word in "".join(Tree(page(run, 62.4)).words)


def test_a_failure_comes_first_and_open(run: RunState) -> None:
    text = page(run, 62.4)
    assert text.index('id="push-athena-lambda"') < text.index('id="push-ingest"')
    assert "<details open><summary><b>athena-lambda</b>" in text


def test_a_failure_of_no_image_is_shown(run: RunState) -> None:
    run.add(Ended(3, "login", "login", "", "failed", error="refused & why"))
    assert "refused &amp; why" in page(run, 62.4)


def test_an_older_page_is_replaced_whole(tmp_path: Path, run: RunState) -> None:
    path = tmp_path / "report.html"
    path.write_text("older")
    write(path, run, 1.0)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert list(tmp_path.glob("*report*")) == [path]


def test_a_page_that_does_not_fit_on_the_disk_leaves_the_older_one(
    tmp_path: Path, run: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    path = tmp_path / "report.html"
    path.write_text("older")
    with pytest.raises(OSError, match="No space left"):
        write(path, run, 1.0)
    assert path.read_text() == "older"
    assert list(tmp_path.glob("*report*")) == [path]


def test_names_that_are_no_text_can_be_written(tmp_path: Path, run: RunState) -> None:
    run.tasks["push:ingest"] = replace(run.tasks["push:ingest"], reason="a\udcff.jar changed")
    write(tmp_path / "report.html", run, 1.0)
    assert "a?.jar changed" in (tmp_path / "report.html").read_text()
