"""An answer that has to be there in time: a socket's own limit begins anew with each byte that arrives."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

ANSWER_SECONDS = 120.0
"""How long one answer may take to arrive, headers and body, however steadily it drips."""


class Answer(http.client.HTTPResponse):
    """An answer of which each read, of whatever part, raises TimeoutError once ANSWER_SECONDS have passed."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(sock.makefile("rb", buffering=0), ANSWER_SECONDS))


class _InTime(io.RawIOBase):
    """What a connection brings, for so many seconds."""

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        self._raw = raw
        self._ends = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._ends:
            raise TimeoutError
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
