"""One HTTP exchange, forwarded to a server behind. Bodies pass in pieces, so that a layer is never held whole.

A client's connection has one connection to the server behind, which lives as long.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler

PIECE = 256 * 1024
"""How many bytes of a body are held at once."""

SECONDS = 300.0
"""How long a server behind may be silent."""

_LONGEST_LINE = 65_536
_TLS_HELLO = b"\x16"
_UNIX = "unix://"
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}


class BehindError(Exception):
    """The server behind did not answer."""


class Upstream(http.client.HTTPConnection):
    """A connection to a server behind.

    Args:
        address: `host:port`, or `unix://` and a path.
    """

    def __init__(self, address: str) -> None:
        super().__init__("localhost" if address.startswith(_UNIX) else address, timeout=SECONDS)
        self._path = address.removeprefix(_UNIX) if address.startswith(_UNIX) else None

    def connect(self) -> None:
        """Connect."""
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Exchange(BaseHTTPRequestHandler):
    """A client's connection; a subclass says in `answer` what becomes of each request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behind = ""
    """Where the server behind listens."""

    _upstream: Upstream | None = None
    _taken = False

    def answer(self) -> None:
        """Answer one request."""
        raise NotImplementedError

    def finish(self) -> None:
        """Close the connection, and the one behind it."""
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def handle_one_request(self) -> None:
        """Read one request's head and answer it."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            if self.rfile.peek(1)[:1] == _TLS_HELLO:  # type: ignore[attr-defined]  # A BufferedReader.
                # BuildKit tries TLS first, then plain HTTP if the answer is HTTP.
                self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                self.close_connection = True
                return
            self.raw_requestline = self.rfile.readline(_LONGEST_LINE)
            # A request that cannot be read was answered by parse_request.
            if self.raw_requestline and self.parse_request():
                self._taken = False
                self.answer()
                return
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: a request that is refused gets an answer that says why."""

    # The request

    def body(self, limit: int) -> bytes | None:
        """Return the request's body; None if it is longer than that."""
        found = bytearray()
        for piece in self._pieces():
            found += piece
            if len(found) > limit:
                self.close_connection = True
                return None
        return bytes(found)

    def _has_body(self) -> bool:
        return self._chunked() or self.headers.get("Content-Length", "0") != "0"

    def _chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def _pieces(self) -> Iterator[memoryview]:
        """Yield the request's body; a piece is good until the next one is asked for."""
        self._taken = True
        buffer = memoryview(bytearray(PIECE))
        if not self._chunked():
            yield from self._read(int(self.headers.get("Content-Length") or 0), buffer)
            return
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            yield from self._read(size, buffer)
            self.rfile.readline(_LONGEST_LINE)
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass

    def _read(self, size: int, buffer: memoryview) -> Iterator[memoryview]:
        while size:
            count = self.rfile.readinto1(buffer[: min(size, PIECE)])
            if not count:
                raise ConnectionResetError
            size -= count
            yield buffer[:count]

    # The server behind

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Forward the request; return the answer, whose body is still to be read.

        Args:
            path: with its query.
            body: in place of the request's own, which is passed on as it comes.
            headers: in place of the request's of these names.

        Raises:
            BehindError: there was no answer.
        """
        fresh = self._upstream is None
        for attempt in range(1 if fresh else 2):
            try:
                return self._ask(path, body, headers or {})
            except (OSError, http.client.HTTPException) as fault:
                self._drop()
                # The server has closed the connection. What was read of the client's body cannot be sent again.
                if attempt or fresh or (body is None and self._taken and self._has_body()):
                    raise BehindError(str(fault)) from fault
        raise BehindError(path)

    def _ask(self, path: str, body: bytes | None, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        upstream = self._upstream = self._upstream or Upstream(self.behind)
        if upstream.sock is None:
            upstream.connect()
        upstream.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
        own = {name.lower() for name in headers} | _HOP_BY_HOP | {"content-length", "expect"}
        # As they came: registry 2.8 reads the first of several of one name.
        for name, value in [*((name, value) for name, value in self.headers.items() if name.lower() not in own)]:
            upstream.putheader(name, value)
        for name, value in headers.items():
            upstream.putheader(name, value)
        if body is not None:
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
        elif self._chunked():
            upstream.putheader("Transfer-Encoding", "chunked")
            upstream.endheaders()
            for piece in self._pieces():
                upstream.send(b"%x\r\n" % len(piece))
                upstream.send(piece)
                upstream.send(b"\r\n")
            upstream.send(b"0\r\n\r\n")
        else:
            if "Content-Length" in self.headers:
                upstream.putheader("Content-Length", self.headers["Content-Length"])
            upstream.endheaders()
            for piece in self._pieces():
                upstream.send(piece)
        return upstream.getresponse()

    def _drop(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None

    # The answer

    def send(self, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        """Send a whole answer."""
        if not self._taken and self._has_body():
            self.body(PIECE)  # What is not read would be taken for the next request; a long one ends the connection.
        self._head(status, [*headers, ("Content-Length", str(len(body)))], b"" if self.command == "HEAD" else body)

    def pass_on(self, found: http.client.HTTPResponse, extra: Iterable[tuple[str, str]] = ()) -> None:
        """Send the answer of the server behind, as it comes."""
        headers = [(name, value) for name, value in found.getheaders() if name.lower() not in _HOP_BY_HOP]
        headers += extra
        empty = self.command == "HEAD" or found.status in {204, 304}
        whole = empty or found.length is not None
        if not whole:
            headers.append(("Transfer-Encoding", "chunked"))
        self._head(found.status, headers)
        buffer = memoryview(bytearray(PIECE if not empty and (found.length or PIECE) else 0))
        while not empty and (count := found.readinto(buffer)):
            if whole:
                self.wfile.write(buffer[:count])
            else:
                self.wfile.write(b"%x\r\n" % count + buffer[:count] + b"\r\n")
        if not whole:
            self.wfile.write(b"0\r\n\r\n")
        found.read()
        if found.will_close:
            self._drop()

    def _head(self, status: int, headers: Iterable[tuple[str, str]], body: bytes = b"") -> None:
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines += ["Connection: close"] if self.close_connection else []
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
