"""A terminal that tests can look at: a real pseudo terminal, read by a terminal emulator."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import struct
import termios
import threading
from typing import TextIO

import pyte

from tests.waiting import await_until

COLUMNS, LINES = 80, 24

_HISTORY = 5000


class Screen:
    """A terminal.

    Attributes:
        stream: where programs write.
        raw: all that was written.
    """

    def __init__(self, columns: int = COLUMNS, lines: int = LINES) -> None:
        self._ours, theirs = pty.openpty()
        self.stream: TextIO = os.fdopen(theirs, "w", encoding="utf-8")
        self.raw = b""
        self._emulated = pyte.HistoryScreen(columns, lines, history=_HISTORY, ratio=0.5)
        self._size(columns, lines)
        self._feed = pyte.ByteStream(self._emulated)
        self._marks = itertools.count(1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size as xterm does: rows go below the cursor first, and nothing wraps anew."""
        self._settle()
        emulated = self._emulated
        row, scrolled = emulated.cursor.y, max(0, emulated.cursor.y - lines + 1)
        emulated.cursor.y = emulated.lines - 1
        for _ in range(scrolled):
            emulated.index()
        emulated.cursor.y = row - scrolled
        for gone in range(lines, emulated.lines):
            emulated.buffer.pop(gone, None)
        emulated.lines = lines  # pyte itself would take rows away at the top, and leave the cursor where it was.
        emulated.resize(lines, columns)
        self._size(columns, lines)

    def _settle(self) -> None:
        """Return when the emulator has taken in all that was written so far."""
        mark = f"\x1b]2;{next(self._marks)}\x07"  # A window's title, which nobody else writes.
        self.stream.write(mark)
        self.stream.flush()
        await_until(lambda: self._emulated.title == mark[4:-1], 30)

    def seen(self) -> list[str]:
        """Return all lines that are to be seen now, those that scrolled away included."""
        self._settle()
        columns = range(self._emulated.columns)
        above = ["".join(line[column].data for column in columns).rstrip() for line in self._emulated.history.top]
        return [*above, *(line.rstrip() for line in self._emulated.display)]

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column, from 0."""
        self._settle()
        return self._emulated.cursor.y, self._emulated.cursor.x

    def _read(self) -> None:
        while True:
            try:
                said = os.read(self._ours, 4096)
            except OSError:  # Linux's way to say that nobody has the other side open.
                return
            self.raw += said
            self._feed.feed(said)

    def lines(self) -> list[str]:
        """Return what is to be seen, once nothing more is written."""
        self.stream.close()
        self._reader.join()
        os.close(self._ours)
        return [line.rstrip() for line in self._emulated.display if line.strip()]

    @property
    def cursor_is_shown(self) -> bool:
        """Whether there is a cursor."""
        return not self._emulated.cursor.hidden
