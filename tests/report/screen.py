"""A terminal of 80 by 24 that tests can look at: a real pseudo terminal, read by a terminal emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from typing import TextIO

import pyte

COLUMNS, LINES = 80, 24


class Screen:
    """A terminal.

    Attributes:
        stream: where programs write.
        raw: all that was written.
    """

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.stream: TextIO = os.fdopen(theirs, "w", encoding="utf-8")
        self.raw = b""
        self._emulated = pyte.Screen(COLUMNS, LINES)
        self._feed = pyte.ByteStream(self._emulated)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

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
