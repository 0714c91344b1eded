"""docs/images/board.svg is the board as it is now; GOLDEN=write draws it again."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

from tasks.engine.progress import Progress
from tasks.report.board import drawn
from tasks.report.events import Event, Moved, RunState
from tasks.report.plain import Plain
from tasks.system.terminal import Terminal
from tests.report import runs

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "board.svg"
COLUMNS, ROWS = 84, 24
WIDE, HIGH, EDGE = 8.4, 19, 14

STYLES = {
    "1": 'font-weight="bold"',
    "2": 'fill="#8b949e"',
    "32": 'fill="#56d364"',
    "36": 'fill="#39c5cf"',
    "1;31": 'fill="#ff7b72" font-weight="bold"',
}
_SPAN = re.compile(r"\x1b\[([0-9;]+)m(.*?)\x1b\[0m|([^\x1b]+)")


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def events() -> list[Event]:
    done = {
        "query-lambda": ("8ea780cccedf", 16_000_000),
        "compaction-job-execution": ("f3afbeae80b6", 41_200_000),
        "bulk-export-planner": ("f012c9956d4c", 28_000_000),
        "bulk-import-starter-lambda": ("2dee64aa0a9b", 28_100_000),
    }
    busy = {
        "statestore-lambda": Progress("load build context", 9_300_000),
        "statestore-committer": Progress("[2/3] COPY ./lambda.jar /app/lambda.jar"),
        "ingest-task-creator-lambda": Progress("exporting layers"),
        "metrics-lambda": Progress("pushing layers"),
    }
    waiting = ("garbage-collector-lambda", "athena-lambda", "ingest", "compaction-task-creator-lambda")
    found: list[Event] = [runs.started(*done, *busy, *waiting)]
    for number, (name, (digest, size)) in enumerate(done.items()):
        ended = replace(runs.ended(7 + 0.7 * number, name, size=size), digest=f"sha256:{digest:0<64}")
        found += [runs.began(0.5, name, worker=number + 1), ended]
    for number, (name, progress) in enumerate(busy.items()):
        found += [runs.began(7 + 0.7 * number, name, worker=number + 1), Moved(10, runs.push(name), progress)]
    return found


def screen() -> list[str]:
    """Return the lines on a terminal in the middle of a run."""
    stream, run = Tty(), RunState()
    terminal = Terminal(stream, {"TERM": "xterm-256color"})
    plain = Plain(terminal, starts=False)
    for event in events():
        run.add(event)
        plain.show(event, run)
    return ["$ ./doitw push_all", *stream.getvalue().splitlines(), *drawn(run, 13.0, COLUMNS, ROWS, terminal)]


def spans(line: str) -> Iterator[tuple[int, str, str]]:
    """Yield a line's words with their columns and styles; words that one space separates stay together."""
    column = 0
    for style, styled, plain in _SPAN.findall(line):
        text = styled or plain
        for words in re.finditer(r"\S+(?: \S+)*", text):
            yield column + words.start(), STYLES.get(style, ""), words[0]
        column += len(text)


def drawing(lines: list[str]) -> str:
    width, height = COLUMNS * WIDE + 2 * EDGE, len(lines) * HIGH + 2 * EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img"',
        '  font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">',
        "<title>a run on a terminal: finished images, and below them the board</title>",
        '<rect width="100%" height="100%" rx="6" fill="#0d1117"/>',
        '<g fill="#e6edf3">',
    ]
    for row, line in enumerate(lines):
        for column, style, text in spans(line):
            x, y = EDGE + column * WIDE, EDGE + row * HIGH + 14
            place = f'x="{x:.1f}" y="{y}" textLength="{len(text) * WIDE:.1f}"'
            parts.append(f"<text {' '.join(filter(None, [place, style]))}>{escape(text)}</text>")
    return "\n".join([*parts, "</g>", "</svg>", ""])


def test_the_picture_of_the_board_is_the_board() -> None:
    lines = screen()
    assert any("in progress" in line for line in lines)
    if os.environ.get("GOLDEN") == "write":
        PICTURE.write_text(drawing(lines))
    assert PICTURE.read_text() == drawing(lines)
