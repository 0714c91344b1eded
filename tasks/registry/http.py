"""The one door to HTTP: pooled connections, bounded answers, and patience with what is temporary.

Nothing here knows of images or logins. A request ends in a response, whatever its status, or in a RegistryError where
there was none. A secret is only ever in a header that we send: neither headers nor the query of a URL get into a text.
"""

from __future__ import annotations

import os
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
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
from tasks.registry import protocol
from tasks.registry.deadline import Answer
from tasks.registry.message import (
    LOOK_AT_THE_HOST,
    REDIRECTS,
    TEMPORARY,
    TRY_AGAIN,
    Request,
    Response,
    clean,
    retry_after,
    shown,
)
from tasks.registry.origin import origin, trusted
from tasks.registry.proxy import proxy
from tasks.system.backoff import REQUEST, Budget, Pace

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
"""How long a registry may be silent before a request counts as unanswered."""

_MOSTREDIRECTS = 5
_PIECE = 64 * 1024
_HOSTS = 8
"""How many hosts keep their pools: the registry, its token server, its storage."""

_Manager = TypeVar("_Manager", bound=urllib3.PoolManager)
_SIZE = re.compile(r"[0-9]{1,19}")


class Http:
    """The connections of one run to one registry, and to where it sends us.

    Plain http is spoken with a loopback registry and with nothing else; certificates are the system's to judge.
    HTTPS_PROXY, ALL_PROXY and NO_PROXY count, but not for loopback.

    Args:
        registry: where paths are.
        connections: how many may be open to one host at once; further requests wait for one of them.
        budget: the patience of each request.
        puts: how fast manifests may be PUT, each attempt counted; as fast as can be where None.
        sleep: waits; for tests.
        clock: tells the time that budgets are counted in.
        jitter: gives numbers from 0 to 1, so that forty requests do not come back at the same moment.
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
        """Send a request and read the whole answer, again and again while the fault is temporary.

        Raises:
            RegistryError: there was no answer, or none that may be read.
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
        if isinstance(answer, RegistryError):
            raise protocol.explained(answer, self.registry) from None
        return answer

    def _follow(self, request: Request) -> Response:
        url = self._absolute(request.url)
        for _ in range(_MOSTREDIRECTS + 1):
            response = self._once(request, url)
            location = response.headers.get("Location")
            if not request.follow or response.status not in REDIRECTS or not location:
                return response
            before, url = url, self._redirected(url, location)
            if origin(before) != origin(url):
                kept = {name: value for name, value in request.headers.items() if name.lower() != "authorization"}
                request = replace(request, headers=kept)
        raise RegistryError(f"{response.asked} was redirected too often", LOOK_AT_THE_HOST, status=response.status)

    def _redirected(self, url: str, location: str) -> str:
        try:
            return self._absolute(urljoin(url, location))
        except ValueError:
            raise RegistryError(f"{shown(url)} redirects to what is no URL", LOOK_AT_THE_HOST) from None

    def _absolute(self, url: str) -> str:
        if url.startswith("/"):
            return self._origin + url
        if not trusted(url, self.registry):
            raise RegistryError(
                f"{self.registry} sends us to {shown(url)}, which is not https",
                "tell the registry's operator; nothing was sent there",
            )
        return url

    def _once(self, request: Request, url: str) -> Response:
        asked = f"{request.method} {shown(url)}"
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
                # A connection with an unread rest is of no use to the next request.
                if not whole:
                    response.close()
                response.release_conn()
        except HTTPError as fault:
            # No cause: urllib3's texts quote URLs with their signatures, and proxies with their logins.
            raise no_answer(asked, fault) from None
        answer = Response(response.status, response.headers, body, asked)
        if url.startswith("http:") and protocol.wants_tls(answer):
            raise protocol.speaks_https(asked)
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
            f"{asked}: the answer is larger than the {request.limit} bytes that it may have",
            LOOK_AT_THE_HOST,
            status=response.status,
        )

    def _pools(self, url: str) -> urllib3.PoolManager:
        if self._proxy is None or proxy_bypass(urlsplit(url).netloc):
            return self._direct
        return self._proxy


def no_answer(asked: str, fault: HTTPError) -> RegistryError:
    """Return the error for a request that got no answer.

    Args:
        asked: the method and URL.
        fault: what urllib3 says.
    """
    if isinstance(fault, ProxyError) and isinstance(fault.original_error, HTTPError):
        return no_answer(f"{asked} through the proxy", fault.original_error)
    match fault:
        case SSLError() if protocol.is_plain(fault.args[0] if fault.args else fault):
            return protocol.speaks_http(asked)
        case SSLError():
            return RegistryError(
                f"{asked}: no secure connection ({clean(str(fault))})",
                "add the registry's certificate authority to this machine's, or name it in SSL_CERT_FILE",
            )
        case NameResolutionError():
            return RegistryError(
                f"{asked}: there is no host of that name", "check DOCKER_REGISTRY and the network's DNS"
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
    """Return why a connection broke, in words that quote nothing of what was sent or received."""
    match fault:
        case OSError(strerror=str(words)):
            return words
        case RemoteDisconnected():
            return "closed without an answer"
        case IncompleteRead():
            return "the answer was cut off"
        case BadStatusLine():
            return "the answer is not HTTP"
    return type(fault).__name__


def _proxy(options: Mapping[str, Any]) -> urllib3.ProxyManager | None:
    found = proxy(os.environ, "https", "all")
    if found is None:
        return None
    headers = urllib3.make_headers(proxy_basic_auth=found.login) if found.login else None
    return _hurried(urllib3.ProxyManager(found.url, proxy_headers=headers, **options))


# Answers that have to be there in time, in all of urllib3's connections


class _Plain(HTTPConnection):
    response_class = Answer


class _Secure(HTTPSConnection):
    response_class = Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def _hurried(manager: _Manager) -> _Manager:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
