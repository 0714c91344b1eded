"""A real HTTP server on loopback that answers as a test says, faults included."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tasks.reference import Registry


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; the names of its headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What the server says, and how it misbehaves.

    Attributes:
        status: the HTTP status; 0 resets the connection instead.
        headers: sent as they are; Content-Length is the body's unless it is among them.
        body: sent as it is, except to HEAD.
        broken: whether the connection ends after the body, whatever was announced.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    broken: bool = False


RESET = Answer(status=0)


@dataclass
class Server:
    """A running server: where it is, and what it was asked."""

    registry: Registry
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.registry}"

    def count(self, method: str = "", target: str = "") -> int:
        """Count what was asked by method and by the start of the target."""
        return sum(one.method.startswith(method) and one.target.startswith(target) for one in self.asked)


@contextmanager
def serving(answer: Callable[[Asked], Answer], context: Any = None) -> Iterator[Server]:
    """Run a server; with an SSL context it speaks https."""
    listener = _Listener(("127.0.0.1", 0), _Handler)
    if context is not None:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    listener.answer = answer
    listener.seen = Server(Registry(f"127.0.0.1:{listener.server_address[1]}"))
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield listener.seen
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    """Give each answer once, and the last one for ever."""
    left = list(answers)
    lock = threading.Lock()

    def answer(_: Asked) -> Answer:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return answer


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    answer: Callable[[Asked], Answer]
    seen: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up, as some tests make them do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.seen.asked.append(asked)
        answer = self.server.answer(asked)
        if answer.status == 0:
            # Lingering for no time makes the kernel send a reset rather than an end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        if "Date" not in answer.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.broken

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = _handle  # noqa: N815  # http.server's names.

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name.
        """Keep quiet."""
