"""A proxy in front of a registry or the ECR API that injects faults into single requests.

    doit ────▶ ┐                     ┌─▶ as it is
    BuildKit ─▶ ├─ proxy ─ which step? ┤
    boto3 ───▶ ┘                     └─▶ a fault: not forwarded, or forwarded and its answer changed

A step is who asks what; the User-Agent distinguishes our requests from BuildKit's. A fault belongs to a step, to
one repository or to all, and happens a number of times.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOR_EVER = 1_000_000

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}
_TLS_HELLO = b"\x16"
_LARGEST_LINE = 65_536


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        step: what it is, as `<who>: <what>`.
        method: its method.
        path: its path, with the query.
        repository: the last part of the repository's name, or empty.
        fault: the name of the fault that it met, or empty.
        at: when it came, by the monotonic clock.
    """

    step: str
    method: str
    path: str
    repository: str
    fault: str
    at: float


@dataclass
class Answer:
    """An answer, which a fault may change before it is sent; `body` is sent with the length that `promised` says."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    promised: int | None = None

    def header(self, name: str) -> str:
        """Return a header's value, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def replace(self, name: str, value: str) -> None:
        """Set a header."""
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()] + [(name, value)]


Forward = Callable[[], Answer]
Gate = Callable[[dict[str, str]], Answer | None]
"""Looks at a request's headers, and may change them, before it is forwarded; an answer turns it away."""

Action = Callable[["Handler", Forward], "Answer | None"]
"""What becomes of a request: an answer, or None for a connection that breaks."""


@dataclass
class Fault:
    """A fault of one step.

    Attributes:
        name: for people.
        action: what happens.
        step: of which requests.
        repository: whose; everybody's where empty.
        times: how often.
        after: how many such requests are left alone first.
    """

    name: str
    action: Action
    step: str
    repository: str = ""
    times: int = 1
    after: int = 0
    _seen: int = field(default=0, repr=False)

    def meets(self, step: str, repository: str) -> bool:
        """Whether this request is to meet the fault; counts it."""
        if step != self.step or self.repository not in {"", repository}:
            return False
        self._seen += 1
        return self.after < self._seen <= self.after + self.times


# The faults


def drop(handler: Handler, forward: Forward) -> None:  # An action's signature.
    """Break the connection; the server never sees the request."""


def lose(handler: Handler, forward: Forward) -> None:  # noqa: ARG001  # As above.
    """Do what was asked, and break the connection before the answer."""
    forward()


def answer(status: int, *, code: str, **headers: str) -> Action:
    """Answer with a status instead of forwarding; the body is an error as registries write them."""

    def act(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
        body = f'{{"errors":[{{"code":"{code}","message":"as it was scripted"}}]}}'.encode()
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return Answer(status, [("Content-Type", "application/json"), *named], body)

    return act


def delay(seconds: float) -> Action:
    """Answer late."""

    def act(handler: Handler, forward: Forward) -> Answer:
        handler.proxy.closing.wait(seconds)
        return forward()

    return act


def hold(until: threading.Event) -> Action:
    """Do nothing until something else has happened."""

    def act(handler: Handler, forward: Forward) -> Answer | None:  # noqa: ARG001  # As above.
        return forward() if until.wait(60) else None

    return act


def cut(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
    """Send half of the answer's body, then break the connection; of an answer without one, half of its headers."""
    whole = forward()
    whole.promised = len(whole.body) if whole.body else 100
    whole.body = whole.body[: len(whole.body) // 2]
    return whole


def lie_about_digest(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
    """Name another digest in the answer's header."""
    whole = forward()
    whole.replace("Docker-Content-Digest", "sha256:" + hashlib.sha256(b"another").hexdigest())
    return whole


def lie_about_content(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
    """Change one byte of the answer's body."""
    whole = forward()
    whole.body = whole.body[:-2] + bytes([whole.body[-2] ^ 1]) + whole.body[-1:] if len(whole.body) > 1 else b"?"
    return whole


def repeat(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
    """Refuse, and say what login was sent."""
    said = handler.headers.get("Authorization", "")
    body = f'{{"errors":[{{"code":"DENIED","message":"not with {said}"}}]}}'.encode()
    return Answer(400, [("Content-Type", "application/json")], body)


def no_subject(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
    """Answer without the header that says that the registry lists referrers itself."""
    whole = forward()
    whole.headers = [(name, value) for name, value in whole.headers if name.lower() != "oci-subject"]
    return whole


THROTTLED = answer(429, code="TOOMANYREQUESTS", Retry_After="1")
FAILED = answer(500, code="UNKNOWN")
UNAVAILABLE = answer(503, code="UNAVAILABLE")
UNAUTHORIZED = answer(401, code="UNAUTHORIZED", WWW_Authenticate='Basic realm="scripted"')
FORBIDDEN = answer(403, code="DENIED")
NOT_FOUND = answer(404, code="NOT_FOUND")
SILENT = delay(600)
"""No answer until the proxy is closed."""


def aws_fault(status: int, code: str) -> Action:
    """Answer as AWS's JSON protocol does."""

    def act(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # As above.
        body = f'{{"__type":"{code}","message":"as it was scripted"}}'.encode()
        return Answer(status, [("Content-Type", "application/x-amz-json-1.1")], body)

    return act


def step_of(agent: str, method: str, path: str) -> tuple[str, str]:
    """Return what a request is, and the last part of its repository's name."""
    who = "ours" if agent.startswith("python-urllib3") else "aws" if agent.startswith("Boto3") else "buildkit"
    if who == "aws":
        return who, ""
    found = re.match(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>[^?]*)", path)
    if not found:
        return f"{who}: ping", ""
    kind, rest = found["kind"], found["rest"]
    if kind == "blobs":
        what = "uploads" if rest.startswith("uploads") else "blob"
    elif kind == "referrers":
        what = "referrers"
    elif rest.startswith("inputs-"):
        what = "inputs tag"
    elif rest.startswith("sha256-"):
        what = "record tag"
    elif ":" in rest:
        what = "manifest"
    else:
        what = "version tag" if who == "ours" else "tag"
    return f"{who}: {method} {what}", found["name"].rpartition("/")[2]


class Proxy:
    """A proxy on a port of its own, which answers until it is closed.

    Args:
        upstream: the server's host and port.
        name: what tells the step of a request to the ECR API; by default, the steps of a registry.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self.gate: Gate | None = None
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def script(self, *faults: Fault) -> None:
        """Forget the former faults and requests, and do these."""
        with self.lock:
            self.faults, self.asked = list(faults), []

    def meet(self, method: str, path: str, step: str, repository: str) -> Fault | None:
        """Write a request down; return the fault that it is to meet."""
        with self.lock:
            met = next((fault for fault in self.faults if fault.meets(step, repository)), None)
            self.asked.append(Asked(step, method, path, repository, met.name if met else "", time.monotonic()))
            return met

    def close(self) -> None:
        """Stop answering; requests that are held back break off."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: connections that break are what this is for."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: _Server

    @property
    def proxy(self) -> Proxy:
        """The proxy that the connection was made to."""
        return self.server.proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # BaseHTTPRequestHandler's signature.
        """Say nothing."""

    def handle_one_request(self) -> None:
        """Answer one request; a client that tries TLS first gets an answer in plain HTTP."""
        first = self.rfile.peek(1)[:1]  # type: ignore[attr-defined]  # A BufferedReader.
        if first == _TLS_HELLO:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.close_connection = True
            return
        self.raw_requestline = self.rfile.readline(_LARGEST_LINE)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self._answer_it()

    def _answer_it(self) -> None:
        body = self._body()
        step, repository = step_of(self.headers.get("User-Agent", ""), self.command, self.path)
        if step == "aws":
            step = f"aws: {self.headers.get('X-Amz-Target', '').rpartition('.')[2]}"
        met = self.proxy.meet(self.command, self.path, step, repository)

        def forward() -> Answer:
            return self._forward(body)

        found = forward() if met is None else met.action(self, forward)
        if found is None or self.proxy.closing.is_set():
            self._reset()
            return
        self._send(found)

    def _send(self, found: Answer) -> None:
        head = self.command == "HEAD" or found.status in {204, 304}
        length = found.header("Content-Length") if head else str(len(found.body))
        if found.promised is not None:
            length = str(found.promised)
        lines = [f"HTTP/1.1 {found.status} {http.client.responses.get(found.status, '')}"]
        lines += [f"{name}: {value}" for name, value in found.headers if name.lower() != "content-length"]
        lines += [f"Content-Length: {length}"] if length else []
        text = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        if found.promised is not None and head:
            text = text[: len(text) // 2]
        self.wfile.write(text.encode("latin-1") + (b"" if head else found.body))
        if found.promised is not None:
            self._reset(gently=True)

    def _reset(self, *, gently: bool = False) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            if not gently:  # A reset, not an end.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR) if gently else self.connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(_LARGEST_LINE).partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(_LARGEST_LINE)
        while self.rfile.readline(_LARGEST_LINE).strip():
            pass

    def _forward(self, body: bytes) -> Answer:
        given = self._joined()
        turned_away = self.proxy.gate(given) if self.proxy.gate is not None else None
        if turned_away is not None:
            return turned_away
        upstream = http.client.HTTPConnection(self.proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            found = upstream.getresponse()
            content = found.read()
            headers = [(name, value) for name, value in found.getheaders() if name.lower() not in _HOP_BY_HOP]
            return Answer(found.status, headers, content)
        finally:
            upstream.close()

    def _joined(self) -> dict[str, str]:
        """Return the request's headers; those that came several times as one, as registry 2.8 reads the first only."""
        joined: dict[str, str] = {}
        for name, value in self.headers.items():
            if name.lower() in _HOP_BY_HOP | {"content-length", "expect"}:
                continue
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined
