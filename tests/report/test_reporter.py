from __future__ import annotations

import io
from importlib.metadata import entry_points

import pytest

from tasks.report.board import Board, BoardReporter
from tasks.report.jsonl import JsonLines, JsonLinesReporter
from tasks.report.plain import Plain, PlainReporter
from tasks.report.reporter import Reporter
from tasks.system.terminal import Terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


XTERM = Terminal(Tty(), {"TERM": "xterm"})
DUMB = Terminal(Tty(), {"TERM": "dumb"})
PIPE = Terminal(io.StringIO(), {"TERM": "xterm"})


@pytest.mark.parametrize(
    ("reporter", "terminal", "display"),
    [
        (BoardReporter, XTERM, Board),
        (BoardReporter, DUMB, Plain),
        (BoardReporter, PIPE, Plain),
        (PlainReporter, XTERM, Plain),
        (JsonLinesReporter, XTERM, JsonLines),
        (JsonLinesReporter, PIPE, JsonLines),
    ],
)
def test_the_display_follows_the_option_and_the_terminal(
    reporter: type[Reporter], terminal: Terminal, display: type[object]
) -> None:
    assert type(reporter.display(terminal)) is display


@pytest.mark.parametrize(
    ("name", "reporter"), [("board", BoardReporter), ("plain", PlainReporter), ("jsonl", JsonLinesReporter)]
)
def test_doit_finds_the_reporters_by_name(name: str, reporter: type[Reporter]) -> None:
    (found,) = entry_points(group="doit.REPORTER", name=name)
    assert found.load() is reporter
    assert reporter.desc
