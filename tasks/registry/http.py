"""The one door to HTTP: connection pools, limits on every answer, and retries of temporary faults.

Nothing here knows of images or logins. A request ends in a response, whatever its status, or in a RegistryError if
there was none. Secrets travel in request headers only: no message contains headers or the query of a URL.

    Http        sends a request, follows redirects, retries
    no_answer   what urllib3 raises, as an error with its next step
    TLS         http where https was expected, and the reverse: how each is recognized
    Deadline    a limit on the time of a whole answer; a socket's own limit starts again with every byte
"""

from __future__ import annotations

import http.client
import io
import os
import random
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as NoAnswerInTimeError

from tasks.errors import RegistryError
from tasks.reference import Registry
from tasks.registry.message import (
    LOOK_AT_THE_HOST,
    REDIRECTS,
    TEMPORARY,
    TRY_AGAIN,
    Request,
    Response,
    origin,
    proxy,
    retry_after,
    trusted,
)
from tasks.system.backoff import REQUEST, Budget, Pace
from tasks.system.text import one_line, shown_url

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""How long a registry may send nothing before a request counts as unanswered."""

ANSWER_SECONDS = 120.0
"""How long one answer may take to arrive, headers and body, however steadily its bytes come."""

PROBE_SECONDS = 2.0
"""How long a server on this machine may take to begin a TLS handshake."""

_MOST_REDIRECTS = 5
_PIECE = 64 * 1024
_HOSTS = 8
"""How many hosts keep their pools: the registry, its token server, its storage."""

_Manager = TypeVar("_Manager", bound=urllib3.PoolManager)
_SIZE = re.compile(r"[0-9]{1,19}")


class Http:
    """The connections of one run to one registry, and to the hosts that it redirects to.

    Only a registry on loopback gets plain http. Certificates are verified with the system's authorities. HTTPS_PROXY,
    ALL_PROXY and NO_PROXY apply, except to loopback.

    Args:
        registry: the host that paths are relative to.
        connections: how many may be open to one host at once; further requests wait for a free one.
        budget: how often and how long each request is tried.
        puts: how fast manifests may be PUT, every attempt counted; None for no limit.
        jitter: returns numbers from 0 to 1, so that forty requests do not retry at the same moment.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        connections: int = 40,
        budget: Budget = REQUEST,
        puts: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.registry = registry
        self._origin = f"{'http' if registry.loopback else 'https'}://{registry.host}"
        self._budget, self._puts = budget, puts
        self._sleep, self._clock, self._jitter = sleep, clock, jitter
        # One context for all connections: each would read the system's certificates again.
        context = None if registry.loopback else ssl.create_default_context()
        options: dict[str, Any] = {
            "num_pools": _HOSTS,
            "maxsize": connections,
            "block": True,
            "timeout": urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            "ssl_context": context,
        }
        self._direct = _hurried(urllib3.PoolManager(**options))
        self._proxy = None if registry.loopback else _proxy(options)

    def send(self, request: Request) -> Response:
        """Send a request and read the whole answer; retry temporary faults.

        Raises:
            RegistryError: there was no answer, or one that is too large, or a redirect that must not be followed.
        """
        started = self._clock()
        for attempt in range(1, self._budget.attempts + 1):
            if self._puts is not None and request.method == "PUT" and "/manifests/" in request.url:
                self._puts.take()
            try:
                answer: Response | RegistryError = self._follow(request)
            except RegistryError as error:
                if not error.temporary:
                    raise
                answer = error
            if isinstance(answer, Response) and answer.status not in TEMPORARY:
                return answer
            wait = self._budget.wait(attempt, self._jitter())
            if isinstance(answer, Response):
                wait = max(wait, retry_after(answer))
            if attempt == self._budget.attempts or self._clock() - started + wait > self._budget.seconds:
                break
            self._sleep(wait)
        if isinstance(answer, Response):
            return answer
        if self.registry.loopback and not answer.status and _begins_tls(self.registry):
            answer = _speaks_https(_asked(request, self._absolute(request.url)))
        raise answer from None

    def _follow(self, request: Request) -> Response:
        url = self._absolute(request.url)
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._once(request, url)
            location = response.headers.get("Location")
            if not request.follow or response.status not in REDIRECTS or not location:
                return response
            before, url = url, self._redirected(url, location)
            if origin(before) != origin(url):
                kept = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
                request = replace(request, headers=kept)
        raise RegistryError(f"{response.asked} was redirected too many times", LOOK_AT_THE_HOST, status=response.status)

    def _redirected(self, url: str, location: str) -> str:
        try:
            return self._absolute(urljoin(url, location))
        except ValueError:
            raise RegistryError(f"{shown_url(url)} redirects to a malformed URL", LOOK_AT_THE_HOST) from None

    def _absolute(self, url: str) -> str:
        if url.startswith("/"):
            return self._origin + url
        if not trusted(url, self.registry):
            raise RegistryError(
                f"{self.registry} redirects to {shown_url(url)}, which is not https",
                "report it to the registry's operator; nothing was sent there",
            )
        return url

    def _once(self, request: Request, url: str) -> Response:
        asked = _asked(request, url)
        try:
            response = self._pools(url).urlopen(
                request.method,
                url,
                body=request.body,
                headers=dict(request.headers),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            whole = False
            try:
                body = self._read(response, request, asked)
                whole = True
            finally:
                # A connection with unread bytes cannot serve the next request.
                if not whole:
                    response.close()
                response.release_conn()
        except HTTPError as fault:
            # Without the cause: urllib3's texts quote URLs with their signatures, and proxies with their logins.
            raise no_answer(asked, fault) from None
        answer = Response(response.status, response.headers, body, asked)
        if url.startswith("http:") and _wants_tls(answer):
            raise _speaks_https(asked)
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, request: Request, asked: str) -> bytes:
        if request.method == "HEAD":
            return b""
        announced = response.headers.get("Content-Length", "")
        promised = int(announced) if _SIZE.fullmatch(announced) else 0
        body = bytearray()
        while max(len(body), promised) <= request.limit:
            piece = response.read1(_PIECE)
            if not piece:
                return bytes(body)
            body += piece
        raise RegistryError(
            f"{asked}: the answer is larger than the limit of {request.limit} bytes",
            LOOK_AT_THE_HOST,
            status=response.status,
        )

    def _pools(self, url: str) -> urllib3.PoolManager:
        if self._proxy is None or proxy_bypass(urlsplit(url).netloc):
            return self._direct
        return self._proxy


def _asked(request: Request, url: str) -> str:
    return f"{request.method} {shown_url(url)}"


def no_answer(asked: str, fault: HTTPError) -> RegistryError:
    """Return the error for a request, `asked`, without an answer; `fault` is what urllib3 raised."""
    if isinstance(fault, ProxyError) and isinstance(fault.original_error, HTTPError):
        return no_answer(f"{asked} through the proxy", fault.original_error)
    match fault:
        case SSLError() if _is_plain(fault.args[0] if fault.args else fault):
            return RegistryError(
                f"{asked}: the server speaks http, not https",
                "serve the registry by https, or check the host and port of DOCKER_REGISTRY; plain http is used only "
                "for registries on loopback (127.0.0.1, localhost)",
            )
        case SSLError():
            return RegistryError(
                f"{asked}: no secure connection ({one_line(str(fault))})",
                "add the registry's certificate authority to those of this machine, or name its file in SSL_CERT_FILE",
            )
        case NameResolutionError():
            return RegistryError(
                f"{asked}: the host name does not resolve", "check DOCKER_REGISTRY and the network's DNS"
            )
        case NewConnectionError():
            reason = "the connection was refused"
        case NoAnswerInTimeError():
            reason = "no answer in time"
        case ProtocolError():
            reason = f"the connection broke ({_why_broken(fault.args[-1] if fault.args else fault)})"
        case _:
            return RegistryError(f"{asked}: no usable answer ({type(fault).__name__})", LOOK_AT_THE_HOST)
    return RegistryError(f"{asked}: {reason}", TRY_AGAIN, temporary=True)


def _why_broken(fault: object) -> str:
    """Return why a connection broke, without quoting what was sent or received."""
    match fault:
        case OSError(strerror=str(words)):
            return words
        case http.client.RemoteDisconnected():
            return "closed without an answer"
        case http.client.IncompleteRead():
            return "the answer was cut off"
        case http.client.BadStatusLine():
            return "the answer is not HTTP"
    return type(fault).__name__


def _proxy(options: Mapping[str, Any]) -> urllib3.ProxyManager | None:
    found = proxy(os.environ, "https", "all")
    if found is None:
        return None
    headers = urllib3.make_headers(proxy_basic_auth=found.login) if found.login else None
    return _hurried(urllib3.ProxyManager(found.url, proxy_headers=headers, **options))


# TLS

_NOT_TLS = frozenset(
    {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"}
)
"""The reasons that OpenSSL's versions give for an answer that is not a TLS record."""

# What Go, nginx, Apache's httpd and Tomcat answer to plain http at their https port.
_WANTS_TLS = re.compile(
    rb"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port"
    rb"|speaking plain HTTP to an SSL-enabled server port|host and port requires TLS"
)
_BAD_REQUEST = 400


def _is_plain(fault: object) -> bool:
    """Whether a TLS handshake failed because the server does not speak TLS."""
    return isinstance(fault, ssl.SSLError) and fault.reason in _NOT_TLS


def _wants_tls(response: Response) -> bool:
    """Whether an answer to plain http says that the server speaks https."""
    return response.status == _BAD_REQUEST and _WANTS_TLS.search(response.body) is not None


def _speaks_https(asked: str) -> RegistryError:
    return RegistryError(
        f"{asked}: the server speaks https, and plain http is used for registries on loopback",
        "set DOCKER_REGISTRY to another name of this machine, one that is in the certificate; or serve plain http "
        "on loopback",
    )


def _begins_tls(registry: Registry) -> bool:
    """Whether the server begins a TLS handshake. No certificate is checked and no request is sent."""
    host, colon, port = registry.host.rpartition(":")
    if not colon or not port.isdecimal():
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except ssl.SSLError as fault:
        return not _is_plain(fault)
    except OSError:
        return False


# Deadline


class _Answer(http.client.HTTPResponse):
    """An answer whose every read raises TimeoutError once ANSWER_SECONDS have passed."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(sock.makefile("rb", buffering=0), ANSWER_SECONDS))


class _InTime(io.RawIOBase):
    """The bytes that a connection brings within so many seconds."""

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


class _Plain(HTTPConnection):
    response_class = _Answer


class _Secure(HTTPSConnection):
    response_class = _Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def _hurried(manager: _Manager) -> _Manager:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
