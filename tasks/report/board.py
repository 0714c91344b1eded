"""A run on a terminal: finished images as lines that stay, and below them a board of what is in flight.

    nothing has to be done ─▶ one line that says what is waited for, where that takes long
    something is ───────────▶ the board, which is taken away at the end

rich draws the board. It is imported when the board begins, so that a run in which nothing changed does not pay for it.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from tasks.engine.progress import human
from tasks.report.events import IMAGE_VERBS, NOT_RUN, Began, Event, Finished, Run, Started, Work
from tasks.report.plain import Plain
from tasks.terminal import Terminal, printable

if TYPE_CHECKING:
    from rich.console import Group

PATIENCE = 0.5
"""Seconds of silence after which a line says what is waited for."""

_WORTH_TELLING = 100_000
"""Bytes below which a transfer is over before one has read of it."""

_OUTPUT = {"exporting", "naming", "pushing", "unpacking"}
_ERASE = "\r\x1b[2K"
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"
_WORK = IMAGE_VERBS | {"preflight", "stage", "repository", "builder", "login"}
_DOING = {
    "preflight": "checking that all can be built and pushed",
    "stage": "staging the context",
    "repository": "creating the repository",
    "builder": "getting the builder ready",
    "login": "logging in",
    "sandbox": "starting the sandbox",
}


class Board:
    """Shows a run on a terminal.

    Args:
        terminal: one that can move its cursor.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._plain = Plain(terminal, starts=False)
        self._lock = threading.RLock()
        self._run = Run()
        self._began = time.monotonic()
        self._live: Any = None
        self._over = threading.Event()
        self._hinting = False

    def show(self, event: Event, run: Run) -> None:
        """Show an event that the run has taken in."""
        with self._lock:
            self._run = run
            if isinstance(event, Started):
                threading.Thread(target=self._hint, name="board", daemon=True).start()
            if isinstance(event, Finished):
                self.close()
            if text := self._plain.text(event, run):
                self._say(text)
            if isinstance(event, Began) and event.verb in _WORK and self._live is None and not self._over.is_set():
                self._start()

    def close(self) -> None:
        """Take the board away and give the terminal back as it was."""
        with self._lock:
            self._over.set()
            self._erase()
            if self._live is not None:
                live, self._live = self._live, None
                atexit.unregister(self.close)
                live.stop()

    def _say(self, text: str) -> None:
        self._erase()
        if self._live is None:
            self._terminal.write(text)
        else:
            from rich.text import Text  # noqa: PLC0415  # See above.

            self._live.console.print(Text.from_ansi(text.removesuffix("\n")), soft_wrap=True)

    # Before there is a board

    def _hint(self) -> None:
        while not self._over.wait(PATIENCE):
            with self._lock:
                if self._live is not None or self._over.is_set():
                    return
                verbs = [work.verb for work in self._run.running]
                if all(verb in _DOING for verb in verbs):  # Others write to the terminal themselves.
                    what = _DOING[verbs[0]] if verbs else "reading what images are made of and asking the registry"
                    line = f"  {what}  {time.monotonic() - self._began:.0f} s"
                    self._terminal.write(_ERASE + self._terminal.paint(line, "faint"))
                    self._hinting = True

    def _erase(self) -> None:
        if self._hinting:
            self._terminal.write(_ERASE)
            self._hinting = False

    # The board

    def _start(self) -> None:
        from rich.console import Console  # noqa: PLC0415  # See above.
        from rich.live import Live  # noqa: PLC0415

        self._erase()
        console = Console(
            file=self._terminal.stream,
            force_terminal=True,
            no_color=not self._terminal.colour,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Live(
            get_renderable=lambda: self._draw(console),
            console=console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=True,
        )
        # A fault of ours must not leave a terminal without a cursor.
        atexit.register(self.close)
        self._live.start()

    def _draw(self, console: Any) -> Group:
        # Not under our lock: rich draws under its own, which the line that we print takes after ours.
        run, now = self._run, time.monotonic() - self._began
        with contextlib.suppress(RuntimeError):  # A task was added while we looked; the next frame has it.
            return draw(run, now, console.size.height, ascii_only=not console.encoding.startswith("utf"))
        return draw(Run(), now, console.size.height)


def draw(run: Run, now: float, height: int, *, ascii_only: bool = False) -> Group:
    """Return the board: a row for each task that a worker is at, and how much there is left.

    Args:
        run: the run.
        now: seconds since it began.
        height: rows that the terminal has.
        ascii_only: whether its encoding has no other characters.
    """
    from rich.console import Group  # noqa: PLC0415  # See above.
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    frames = _ASCII_FRAMES if ascii_only else _FRAMES
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="crop" if ascii_only else "ellipsis", ratio=1)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, justify="right")
    running = [work for work in run.running if work.verb in _WORK]
    shown = running[: max(1, height - 4)]
    # Of all images and not only of those in flight, so that nothing jumps when one is done.
    widest = max((len(work.image) for work in run.images), default=0)
    for work in shown:
        what, progress = _what(work), work.progress
        moved = human(progress.sent) if progress.sent >= _WORTH_TELLING else ""
        if moved and progress.size:
            moved += f" of {human(progress.size)}"
        table.add_row(
            Text.assemble((frames[int(now * 8) % len(frames)], "cyan"), f" {work.image or work.task:<{widest}}"),
            Text(what, style="dim"),
            Text(moved, style="dim"),
            Text(f"{max(0.0, now - (work.began or now)):.0f} s"),
        )
    return Group("", table, _totals(run, now, len(running) - len(shown), "-" if ascii_only else "·"))


def _what(work: Work) -> str:
    """Return what is being done, in as few words as a narrow terminal has room for."""
    if work.verb in _DOING:
        return _DOING[work.verb]
    if work.progress.ended:
        return "reading it back and tagging"
    words = printable(work.progress.step).split() or ["starting"]
    if words[0] in _OUTPUT:  # "pushing manifest for <repository>@<digest>": the row says already which image it is.
        words = list(itertools.takewhile(lambda word: not {":", "/"} & set(word), words))
    return " ".join(words).removesuffix(" for").removesuffix(" to")


def _totals(run: Run, now: float, hidden: int, dot: str) -> Any:
    from rich.text import Text  # noqa: PLC0415  # See above.

    images = run.images
    done = sum(1 for work in images if work.outcome)
    bad = sum(1 for work in images if work.outcome in {"failed", NOT_RUN})
    running = sum(1 for work in images if work.running)
    parts = [f"{done} of {len(images)} done", f"{running} in flight", f"{len(images) - done - running} waiting"]
    parts += [f"{bad} failed or not run"] if bad else []
    parts += [f"{hidden} not shown"] if hidden else []
    minutes, seconds = divmod(int(now), 60)
    return Text(f"{f' {dot} '.join(parts)} {dot} {minutes}:{seconds:02}", style="bold", no_wrap=True)
