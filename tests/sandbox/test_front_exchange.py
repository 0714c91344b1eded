"""One HTTP exchange passed on to a real server."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox.front.exchange import BehindError, Exchange


class Behind(BaseHTTPRequestHandler):
    """Answers with the digest of the body; /left has it hang up afterwards without saying so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        body = hashlib.sha256(content).hexdigest().encode()
        self.send_response(200)
        self.send_header("Accepts", " | ".join(self.headers.get_all("Accept", [])))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/left"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one,", b"two"):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Passing(Exchange):
    def answer(self) -> None:
        try:
            if self.path == "/refused":
                self.send(403, [], b"no")
            else:
                self.pass_on(self.ask(self.path))
        except BehindError:
            self.send(503, [])


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def front() -> Iterator[http.client.HTTPConnection]:
    """A connection to what stands in front of a server."""
    with (
        serving(Behind) as behind,
        serving(type("Bound", (Passing,), {"behind": f"127.0.0.1:{behind}"})) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
    ):
        yield connection


def post(front: http.client.HTTPConnection, path: str, body: bytes | Iterator[bytes]) -> tuple[int, bytes]:
    front.request("POST", path, body, encode_chunked=not isinstance(body, bytes))
    answer = front.getresponse()
    return answer.status, answer.read()


def digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 1_000_003])
def test_a_body_arrives_as_it_was_sent(front: http.client.HTTPConnection, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    assert post(front, "/", content[:size]) == (200, digest(content[:size]))


def test_a_body_in_chunks_arrives_as_it_was_sent(front: http.client.HTTPConnection) -> None:
    pieces = [bytes([number]) * 300_000 for number in range(1, 5)]
    assert post(front, "/", iter(pieces)) == (200, digest(b"".join(pieces)))


def test_an_answer_in_chunks_arrives_whole(front: http.client.HTTPConnection) -> None:
    front.request("GET", "/")
    assert front.getresponse().read() == b"one,two"


@pytest.mark.parametrize("body", [b"", b"x" * 1000])
def test_a_refused_body_is_not_taken_for_the_next_request(front: http.client.HTTPConnection, body: bytes) -> None:
    assert post(front, "/refused", body) == (403, b"no")
    assert post(front, "/", b"next") == (200, digest(b"next"))


def test_a_server_that_hung_up_meanwhile_is_asked_anew(front: http.client.HTTPConnection) -> None:
    assert post(front, "/left", b"first") == (200, digest(b"first"))
    assert post(front, "/", b"") == (200, digest(b""))


def test_headers_that_come_several_times_are_not_joined(front: http.client.HTTPConnection) -> None:
    front.putrequest("POST", "/")
    for value in ("a", "b"):
        front.putheader("Accept", value)
    front.putheader("Content-Length", "0")
    front.endheaders()
    answer = front.getresponse()
    answer.read()
    assert answer.headers["Accepts"] == "a | b"


def test_who_tries_tls_is_answered_by_http(front: http.client.HTTPConnection) -> None:
    with socket.create_connection((front.host, front.port), timeout=30) as plain:
        plain.sendall(bytes.fromhex("160301") + bytes(100))
        assert plain.recv(100).startswith(b"HTTP/1.1 400")


def test_a_server_that_is_not_there_is_an_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()[1]
    with (
        serving(type("Bound", (Passing,), {"behind": f"127.0.0.1:{nobody}"})) as port,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as front,
    ):
        assert post(front, "/", b"x")[0] == 503
