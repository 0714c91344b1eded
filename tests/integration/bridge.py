"""A bridge from a socket to an engine's BuildKit, which makes it a builder of any driver.

    buildx, driver remote ────────────▶ unix socket ┐
    nc in a container of the driver   ▶ TCP port ───┴─▶ bridge ─▶ engine: POST /grpc, upgraded to h2c

An engine serves BuildKit's whole API (`moby.buildkit.v1.Control` over HTTP/2) at `/grpc` of its own socket. Through it
come `push-by-digest` and `store=false`, which the driver `docker` does not have.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Self

UPGRADE = b"POST /grpc HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
_SWITCHED = b"HTTP/1.1 101 "
_PIECE = 1 << 16
_LONGEST_HEAD = 1 << 14


class Bridge:
    """A bridge that passes connections on until it is closed.

    Args:
        engine: the engine's socket.
        path: where the bridge listens, beside a TCP port of its own on loopback; short enough for a unix socket.
    """

    def __init__(self, engine: Path, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(str(path))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        self.port: int = tcp.getsockname()[1]
        self._listening = (unix, tcp)
        for listening in self._listening:
            listening.listen()
            threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        """The address for `docker buildx create --driver remote`."""
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and break every connection."""
        with self._lock:
            for one in (*self._listening, *self._open):
                with contextlib.suppress(OSError):  # It is closed already.
                    one.shutdown(socket.SHUT_RDWR)
        for listening in self._listening:
            listening.close()
        self._path.unlink(missing_ok=True)

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):  # The bridge is closed.
            while True:
                client, _ = listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Connect a client to the engine; both ends are closed when both have said all."""
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as engine, contextlib.suppress(OSError):
            with self._lock:
                self._open |= {client, engine}
            try:
                engine.connect(str(self._engine))
                client.sendall(upgraded(engine))
                back = threading.Thread(target=_copy, args=(engine, client), daemon=True)
                back.start()
                _copy(client, engine)
                back.join()
            finally:
                with self._lock:
                    self._open -= {client, engine}


def upgraded(engine: socket.socket) -> bytes:
    """Ask an engine for BuildKit's API; return what came of that API with the answer.

    Raises:
        ConnectionError: it refused.
    """
    engine.sendall(UPGRADE)
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = engine.recv(_PIECE)
        if not piece or len(answer) > _LONGEST_HEAD:
            raise ConnectionError(answer.decode(errors="replace"))
        answer += piece
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(_SWITCHED):
        raise ConnectionError(head.decode(errors="replace"))
    return rest


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy what one side says until it has said all, and tell the other side so."""
    with contextlib.suppress(OSError):  # A side that is gone.
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
