from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tasks.errors import RegistryError
from tasks.reference import Registry
from tasks.registry import http
from tasks.registry.http import Http
from tasks.registry.message import Request
from tasks.system.backoff import Budget

PIECES, APART = 60, 0.05


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.3)


@contextlib.contextmanager
def dripping(first: bytes, piece: bytes) -> Iterator[Registry]:
    """A server that never ends its answer, and sends some of it now and then, so that it is never silent for long."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(first)
            for _ in range(PIECES):
                connection.sendall(piece)
                if ended.wait(APART):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield Registry(f"127.0.0.1:{listener.getsockname()[1]}")
        ended.set()
        thread.join()


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
    ],
    ids=["in a header", "in interim answers", "in the size of a chunk", "in the body"],
)
def test_an_answer_that_drips_is_given_up(first: bytes, piece: bytes) -> None:
    with dripping(first, piece) as registry, pytest.raises(RegistryError, match="no answer in time"):
        Http(registry, budget=Budget(attempts=1)).send(Request("GET", "/v2/"))
