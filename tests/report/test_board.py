"""The board on a real pseudo terminal, read back through a terminal emulator."""

from __future__ import annotations

import io
import os
import sys
import threading

import pytest

from tasks.engine.progress import Progress
from tasks.report.board import Board, drawn
from tasks.report.events import Event, Finished, Moved, Noted, RunState
from tasks.system.terminal import Terminal
from tasks.system.text import width
from tests.report import runs
from tests.report.screen import COLUMNS, LINES, Screen


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def screen() -> Screen:
    return Screen()


def play(screen: Screen, events: list[Event]) -> Board:
    """Show events; leave the board as it is then."""
    board, run = Board(Terminal(screen.stream, os.environ), animated=False), RunState()
    for event in events:
        run.add(event)
        board.show(event, run)
    board.redraw()
    return board


def test_what_is_in_flight_stands_below_what_is_done(screen: Screen) -> None:
    moved = Moved(8.0, runs.push("query-lambda"), Progress("pushing layer aa", 12_300_000, 40_000_000))
    events = [runs.started(), runs.began(1, "ingest"), runs.ended(5, "ingest", size=41_200_000)]
    board = play(screen, [*events, runs.began(6, "query-lambda"), moved])
    shown = "\n".join(screen.seen())
    board.close()
    lines = screen.lines()
    assert lines[1] == "  built     ingest             3f1c2a9b77aa   41.2 MB    4.0 s"
    assert "query-lambda       pushing layer aa" in shown
    assert "12.3 MB of 40.0 MB" in shown
    assert "1 of 5 done · 1 in progress · 3 waiting" in shown


def test_nothing_of_the_board_is_left_at_the_end_but_its_cursor(screen: Screen) -> None:
    play(screen, runs.whole())
    lines = screen.lines()
    assert lines[-1] == "  report       report.html"
    assert not [line for line in lines if "in progress" in line]
    assert screen.cursor_is_shown


def test_a_run_in_which_nothing_changed_has_no_board(screen: Screen) -> None:
    current = [runs.ended(0.1, name, "current") for name in runs.NAMES]
    play(screen, [runs.started(), *current, Finished(0.2)])
    assert screen.lines()[1:] == ["5 images: 5 current  0.2 s"]


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


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40), (60, 20), (40, 10), (20, 5), (5, 3)])
def test_no_line_of_the_board_reaches_the_last_column(columns: int, lines: int) -> None:
    names = tuple(f"image-with-a-very-long-name-as-some-have-{number}" for number in range(30))
    long = Progress("RUN " + "\N{CJK UNIFIED IDEOGRAPH-4E00}word " * 100, 1_000_000, 2_000_000)
    moved = [Moved(2, runs.push(name), long) for name in names]
    run = runs.after([runs.started(*names), *[runs.began(1, name) for name in names], *moved])
    found = drawn(run, 3.0, columns, lines, Terminal(io.StringIO(), {}))
    assert max(map(width, found)) < columns
    assert len(found) < lines


def test_a_row_of_sixty_columns_says_image_step_and_time() -> None:
    moved = Moved(2, runs.push("ingest"), Progress("pushing layers", 12_300_000, 40_000_000))
    run = runs.after([runs.started(), runs.began(1, "ingest"), moved])
    _, row, totals = drawn(run, 3.0, 60, 20, Terminal(io.StringIO(), {}))
    assert row[1:].split() == ["ingest", "pushing", "la…", "12.3", "MB", "of", "40.0", "MB", "2", "s"]
    assert totals == "0 of 5 done · 1 in progress · 4 waiting · 0:03"


@pytest.mark.parametrize("count", [6, 40])
def test_no_line_of_an_image_that_is_done_is_lost_while_the_board_is_drawn(screen: Screen, count: int) -> None:
    names = tuple(f"image-{number:03}" for number in range(120))
    board, run, lock = play(screen, [runs.started(*names), runs.began(1, names[0])]), RunState(), threading.Lock()
    run.add(runs.started(*names))
    over = threading.Event()

    def work(part: tuple[str, ...]) -> None:
        for name in part:
            for event in (runs.began(1, name), runs.ended(2, name)):
                with lock:
                    run.add(event)
                    board.show(event, run)

    def frames() -> None:
        while not over.is_set():
            board.redraw()

    drawing = threading.Thread(target=frames)
    workers = [threading.Thread(target=work, args=(names[first::count],)) for first in range(count)]
    drawing.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    over.set()
    drawing.join()
    board.close()
    shown = [line.split()[1] for line in screen.seen() if line.startswith("  built")]
    assert sorted(shown) == sorted(names)


@pytest.mark.parametrize("sizes", [[(60, 20), (120, 40)], [(120, 10)], [(30, 24)], [(80, 6), (80, 24)]], ids=str)
def test_nothing_of_the_board_is_left_in_a_window_of_another_size(screen: Screen, sizes: list[tuple[int, int]]) -> None:
    done = [runs.began(1, "ingest"), runs.ended(2, "ingest")]
    board = play(screen, [runs.started(), *done, *[runs.began(3, name) for name in runs.NAMES[1:]]])
    for columns, lines in sizes:
        screen.resize(columns, lines)
        board.redraw()
        assert len([line for line in screen.seen() if "in progress" in line or "1 of 5 done" in line]) == 1
    board.close()
    assert [line.split()[0] for line in screen.seen() if line] == ["sleeper-images", "built"]


def test_the_cursor_rests_where_the_board_begins(screen: Screen) -> None:
    """A terminal that wraps text anew keeps the cursor at its text, so that erasing begins at the board."""
    board = play(screen, [runs.started(), *[runs.began(3, name) for name in runs.NAMES]])
    assert screen.cursor == (1, 0)
    board.close()


def test_a_board_at_the_bottom_of_the_screen_scrolls_it(screen: Screen) -> None:
    board = play(screen, [runs.started(), *[Noted(1, "", f"line {number}") for number in range(30)]])
    for name in runs.NAMES:
        board.show(runs.began(2, name), runs.after([runs.started(), *[runs.began(2, each) for each in runs.NAMES]]))
    assert screen.cursor == (LINES - 1 - 6, 0)
    board.close()
    assert [line for line in screen.seen() if "line" in line] == [f"  note      line {number}" for number in range(30)]


def test_what_is_written_to_standard_error_stays_above_the_board(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", screen.stream)
    board = play(screen, [runs.started(), runs.began(1, "ingest")])
    sys.stderr.write("a warning\n")
    shown = [line for line in screen.seen() if line]
    board.close()
    assert shown[1] == "a warning"
    assert sys.stderr is screen.stream


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


def _text(run: RunState, height: int, *, ascii_only: bool = False) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii" if ascii_only else "utf-8")
    return "\n".join(drawn(run, 3.0, COLUMNS, height, Terminal(stream, {})))
