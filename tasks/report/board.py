"""The run on a terminal: finished images as lines that stay, and below them a board of the images in progress.

    nothing to do ──▶ one line that says what the run waits for, if that takes long
    something to do ▶ the board, which is removed at the end

The cursor stays at the board's first row and column. A terminal that is resized moves the cursor with the text there,
whether it wraps the board's rows again or not; therefore "erase from the cursor to the end of the screen" removes the
whole board and nothing else. Each change of the screen is one write under one lock: the erasure, the lines that stay,
and the board again. docs/decisions/0024 says why no library draws it.
"""

from __future__ import annotations

import atexit
import itertools
import sys
import threading
import time
from typing import Any

from tasks.report.events import IMAGE_VERBS, NOT_RUN, Began, Event, Finished, RunState, Started, TaskState
from tasks.report.plain import Plain
from tasks.report.reporter import Display, Reporter
from tasks.system.terminal import Terminal
from tasks.system.text import clipped, human, width, without_controls

PATIENCE = 0.5
"""The seconds without output after which a line says what the run waits for."""

FRAME_SECONDS = 0.125
"""The seconds between two drawings of the board."""

WIDEST = 100
"""The most columns of a row, so that a row rarely needs a second one after the window is made narrower."""

_LEAST_BYTES = 100_000
"""The fewest bytes of a transfer that is shown; a smaller one ends before it can be read."""

_OUTPUT = {"exporting", "naming", "pushing", "unpacking"}
# This row, then what is below it. To erase all at once makes tmux keep the screen in its history.
_ERASE = "\r\x1b[K\x1b7\x1b[B\x1b[J\x1b8"
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_WORK = IMAGE_VERBS | {"preflight", "stage", "repository", "builder", "login"}
_DOING = {
    "preflight": "checking that all images can be built and pushed",
    "stage": "staging the context",
    "repository": "creating the repository",
    "builder": "getting the builder ready",
    "login": "logging in",
    "sandbox": "starting the sandbox",
}


class Board:
    """Shows a run on a terminal.

    The terminal has cursor control. Without `animated`, the board is drawn only by `show` and `redraw`.
    """

    def __init__(self, terminal: Terminal, *, animated: bool = True) -> None:
        self._terminal = terminal
        self._plain = Plain(terminal, starts=False)
        self._animated = animated
        self._lock = threading.RLock()
        self._run = RunState()
        self._began = time.monotonic()
        self._over = threading.Event()
        self._on = False
        self._errors: Any = None

    def show(self, event: Event, run: RunState) -> None:
        """Show an event."""
        with self._lock:
            self._run = run
            if isinstance(event, Started) and self._animated:
                threading.Thread(target=self._animate, name="board", daemon=True).start()
            if isinstance(event, Finished):
                self.close()
            if text := self._plain.text(event, run):
                self.say(text)
            if isinstance(event, Began) and event.verb in _WORK and not self._on and not self._over.is_set():
                self._start()

    def say(self, text: str) -> None:
        """Write lines that stay, above the board."""
        with self._lock:
            self._terminal.write(f"{_ERASE if self._on or self._hinting else ''}{text}{self._board()}")
            self._hinting = False

    def redraw(self) -> None:
        """Draw the board again."""
        with self._lock:
            if self._on:
                self._terminal.write(_ERASE + self._board())

    def close(self) -> None:
        """Remove the board and show the cursor again."""
        with self._lock:
            self._over.set()
            if self._on:
                atexit.unregister(self.close)
                if isinstance(sys.stderr, _Above):
                    sys.stderr = self._errors
                self._terminal.write(_ERASE + _SHOW)
            elif self._hinting:
                self._terminal.write(_ERASE)
            self._on = self._hinting = False

    _hinting = False

    def _start(self) -> None:
        # A bug must not leave a terminal without a cursor.
        atexit.register(self.close)
        self._on, self._errors = True, sys.stderr
        if self._errors is not None and self._errors.isatty():
            sys.stderr = _Above(self._errors, self)
        self._terminal.write(_ERASE + _HIDE + self._board())

    def _animate(self) -> None:
        while not self._over.wait(FRAME_SECONDS if self._on else PATIENCE):
            with self._lock:
                if not self._over.is_set():
                    self.redraw() if self._on else self._hint()

    def _hint(self) -> None:
        verbs = [work.verb for work in self._run.running]
        if all(verb in _DOING for verb in verbs):  # Other tasks write to the terminal themselves.
            what = _DOING[verbs[0]] if verbs else "reading what images are made of and asking the registry"
            columns, _ = self._terminal.size
            line = clipped(f"  {what}  {time.monotonic() - self._began:.0f} s", columns - 1)
            self._terminal.write(_ERASE + self._terminal.paint(line, "faint"))
            self._hinting = True

    def _board(self) -> str:
        """Return what draws the board and moves the cursor back to its first row; empty if there is no board."""
        if not self._on:
            return ""
        columns, rows = self._terminal.size
        lines = drawn(self._run, time.monotonic() - self._began, columns, rows, self._terminal)
        return "\r\n".join(lines) + "\r" + (f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else "")


class _Above:
    """A stream whose lines go above the board: what libraries and Python itself write to standard error."""

    def __init__(self, stream: Any, board: Board) -> None:
        self._stream = stream
        self._board = board
        self._line = ""

    def write(self, text: str) -> int:
        whole, end, self._line = (self._line + text).rpartition("\n")
        if end:
            self._board.say(without_controls(whole) + end)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def drawn(run: RunState, now: float, columns: int, rows: int, terminal: Terminal) -> list[str]:
    """Return the board's lines: one for each task that a worker runs, and the totals.

    Args:
        run: the run.
        now: the seconds since it began.
        columns: the terminal's columns; no line reaches the last one, at which some terminals wrap.
        rows: the terminal's rows.
        terminal: what can be shown.
    """
    ascii_only, wide = not terminal.unicode, min(columns - 1, WIDEST)
    running = [work for work in run.running if work.verb in _WORK]
    shown = running[: max(0, rows - 4)]
    # Of all images, not only of those in progress, so that the columns stay where they are.
    names = max((width(work.image or work.task) for work in [*run.images, *shown]), default=0)
    lines = [_row(work, now, names, wide, terminal) for work in shown]
    totals = _totals(run, now, len(running) - len(shown), "-" if ascii_only else "·", wide)
    found = ["", *lines, terminal.paint(totals, "strong")]
    return found[-max(1, rows - 1) :]


def _row(work: TaskState, now: float, names: int, columns: int, terminal: Terminal) -> str:
    progress = work.progress
    moved = human(progress.sent) if progress.sent >= _LEAST_BYTES else ""
    if moved and progress.size:
        moved += f" of {human(progress.size)}"
    took = f"{max(0.0, now - (work.began or now)):.0f} s"
    end = f"  {moved:>9}  {took:>5}" if moved else f"  {took:>5}"
    ascii_only = not terminal.unicode
    frames = _ASCII_FRAMES if ascii_only else _FRAMES
    sign = frames[int(now * 8) % len(frames)]
    name = clipped(f" {work.image or work.task:<{names}}", columns - 1 - width(end), ascii_only=ascii_only)
    if not name:
        return clipped(f"{sign} {work.image or work.task}", columns, ascii_only=ascii_only)
    room = columns - 1 - width(name) - width(end)
    what = clipped(f"  {_what(work)}", room, ascii_only=ascii_only)
    what += " " * (room - width(what))
    return terminal.paint(sign, "change") + name + terminal.paint(what, "faint") + end


def _what(work: TaskState) -> str:
    """Return what a task does, in few words."""
    if work.verb in _DOING:
        return _DOING[work.verb]
    if work.progress.ended:
        return "reading it back and tagging"
    words = without_controls(work.progress.step).split() or ["starting"]
    if words[0] in _OUTPUT:  # "pushing manifest for <repository>@<digest>": the row has the image's name already.
        words = list(itertools.takewhile(lambda word: not {":", "/"} & set(word), words))
    return " ".join(words).removesuffix(" for").removesuffix(" to")


def _totals(run: RunState, now: float, hidden: int, dot: str, columns: int) -> str:
    images = run.images
    done = sum(1 for work in images if work.outcome)
    bad = sum(1 for work in images if work.outcome in {"failed", NOT_RUN})
    running = sum(1 for work in images if work.running)
    minutes, seconds = divmod(int(now), 60)
    # The most important first, as a narrow terminal cuts the end.
    parts = [f"{done} of {len(images)} done"]
    parts += [f"{bad} failed or not run"] if bad else []
    parts += [f"{running} in progress", f"{len(images) - done - running} waiting"]
    parts += [f"{hidden} not shown"] if hidden else []
    return clipped(f" {dot} ".join([*parts, f"{minutes}:{seconds:02}"]), columns, ascii_only=dot == "-")


class BoardReporter(Reporter):
    """A live board on a terminal with cursor control, else plain lines."""

    desc = "a live board on a terminal, else plain lines"

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return a board or lines."""
        return Board(terminal) if terminal.live else Plain(terminal)
