"""The board on a real pseudo terminal, read back through a terminal emulator."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from tasks.engine.progress import Progress
from tasks.report.board import Board, draw
from tasks.report.events import Event, Finished, Moved, Run
from tasks.terminal import Terminal
from tests.report import runs
from tests.report.screen import COLUMNS, LINES, Screen


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name in ("NO_COLOR", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    monkeypatch.setenv("LINES", str(LINES))
    monkeypatch.setenv("TERM", "xterm")
    return Screen()


def play(screen: Screen, events: list[Event]) -> Board:
    """Show events; leave the board as it is then."""
    board, run = Board(Terminal(screen.stream, os.environ)), Run()
    for event in events:
        run.add(event)
        board.show(event, run)
    return board


def test_what_is_in_flight_stands_below_what_is_done(screen: Screen) -> None:
    moved = Moved(8.0, runs.push("query-lambda"), Progress("pushing layer aa", 12_300_000, 40_000_000))
    events = [runs.started(), runs.began(1, "ingest"), runs.ended(5, "ingest", size=41_200_000)]
    board = play(screen, [*events, runs.began(6, "query-lambda"), moved])
    shown = "\n".join(_drawn(board))
    board.close()
    lines = screen.lines()
    assert lines[1] == "  built     ingest             3f1c2a9b77aa   41.2 MB    4.0 s"
    assert "query-lambda       pushing layer aa" in shown
    assert "12.3 MB of 40.0 MB" in shown
    assert "1 of 5 done · 1 in flight · 3 waiting" in shown


def test_nothing_of_the_board_is_left_at_the_end_but_its_cursor(screen: Screen) -> None:
    play(screen, runs.whole())
    lines = screen.lines()
    assert lines[-1] == "  report       report.html"
    assert not [line for line in lines if "in flight" in line]
    assert screen.cursor_is_shown


def test_a_run_in_which_nothing_changed_has_no_board(screen: Screen) -> None:
    current = [runs.ended(0.1, name, "current") for name in runs.NAMES]
    play(screen, [runs.started(), *current, Finished(0.2)])
    assert screen.lines()[1:] == ["5 images: 5 current  0.2 s"]


def test_a_run_in_which_nothing_changed_does_not_load_what_draws() -> None:
    code = (
        "import io, sys; from tasks.report.board import Board; from tasks.terminal import Terminal\n"
        "from tasks.report.events import Run; from tests.report import runs\n"
        "board, run = Board(Terminal(io.StringIO(), {})), Run()\n"
        "for event in [runs.started(), *[runs.ended(0.1, name, 'current') for name in runs.NAMES], runs.Finished(1)]:\n"
        "    run.add(event); board.show(event, run)\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'rich'])\n"
    )
    here = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_silence_is_explained_and_the_explanation_goes_away(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.report.board.PATIENCE", 0.01)
    board = Board(Terminal(screen.stream, os.environ))
    explained = threading.Event()
    write = board._terminal.write

    def watched(text: str) -> None:
        write(text)
        if "asking the registry" in text:
            explained.set()

    monkeypatch.setattr(board._terminal, "write", watched)
    run = runs.after([runs.started("ingest")])
    board.show(runs.started("ingest"), run)
    assert explained.wait(10)
    for event in (runs.ended(1, "ingest", "current"), Finished(1)):
        run.add(event)
        board.show(event, run)
    assert screen.lines()[1:] == ["1 image: 1 current  1.0 s"]


def test_no_line_of_the_board_is_wider_than_the_terminal(screen: Screen) -> None:
    names = tuple(f"image-with-a-very-long-name-as-some-have-{number}" for number in range(3))
    long = Progress("RUN " + "word " * 100, 1_000_000, 2_000_000)
    moved = [Moved(2, runs.push(name), long) for name in names]
    board = play(screen, [runs.started(*names), *[runs.began(1, name) for name in names], *moved])
    drawn = _drawn(board)
    board.close()
    screen.lines()
    assert max(map(len, drawn)) <= COLUMNS
    assert len(drawn) == 4


def test_more_than_the_terminal_has_lines_for_is_counted() -> None:
    names = tuple(f"image-{number}" for number in range(40))
    run = runs.after([runs.started(*names), *[runs.began(1, name) for name in names]])
    assert "20 not shown" in _text(run, LINES)


def test_what_is_exported_and_where_to_does_not_crowd_the_row_out() -> None:
    moved = Moved(2, runs.push("ingest"), Progress("pushing manifest for 127.0.0.1:5000/mine/ingest@sha256:aa"))
    text = _text(runs.after([runs.started("ingest"), runs.began(1, "ingest"), moved]), LINES)
    assert "pushing manifest " in text
    assert "127.0.0.1" not in text


def test_a_build_that_has_ended_is_still_read_back() -> None:
    moved = Moved(2, runs.push("ingest"), Progress(ended=True))
    assert "reading it back and tagging" in _text(
        runs.after([runs.started("ingest"), runs.began(1, "ingest"), moved]), LINES
    )


def test_without_unicode_the_board_is_ascii() -> None:
    run = runs.after(
        [runs.started("ingest"), runs.began(1, "ingest"), Moved(2, runs.push("ingest"), Progress("x " * 80))]
    )
    assert _text(run, LINES, ascii_only=True).isascii()


def _text(run: Run, height: int, *, ascii_only: bool = False) -> str:
    return _rendered(draw(run, 3.0, height, ascii_only=ascii_only))


def _rendered(board: object) -> str:
    stream = io.StringIO()
    Console(file=stream, width=COLUMNS, height=LINES, force_terminal=False).print(board)
    return stream.getvalue()


def _drawn(board: Board) -> list[str]:
    return [line for line in _rendered(board._draw(board._live.console)).splitlines() if line.strip()]
