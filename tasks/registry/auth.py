"""Logged-in requests to a registry: Basic, or the token of a Bearer challenge.

    request ─▶ which challenge? (GET /v2/, once) ─▶ Authorization ─▶ answer
                                401: once more, with a fresh login ──────┘

Sources: RFC 9110, section 11 (challenges); the distribution project's `spec/auth/token.md` and `oauth.md` (Bearer).
Credentials come from a keychain, stay in memory and are never shown.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

from tasks.errors import CredentialsError
from tasks.reference import Repository
from tasks.registry import kinds
from tasks.registry.credentials import (
    IDENTITY_TOKEN_USER,
    TOKEN_LIMIT,
    BearerToken,
    Challenge,
    Credential,
    Keychain,
    challenges,
    choose,
    how_to_log_in,
    parse_token,
)
from tasks.registry.message import Request, Response, answered, refused, trusted
from tasks.system.secrets import keep
from tasks.system.text import one_line, shown_url

if TYPE_CHECKING:  # Slow to import: `client` imports it when it makes one.
    from tasks.registry.http import Http

_UNAUTHORIZED, _FORBIDDEN, _OK, _FIRST_FAULT = 401, 403, 200, 400
_CLIENT = "sleeper-images"
_SHORTEST_SECRET = 5
"""A shorter secret, in a registry that somebody tries out, would be found in any word."""

T = TypeVar("T")


def pull_scope(repository: Repository) -> str:
    """Return the scope of a token that may pull from `repository`."""
    return f"repository:{repository.path}:pull"


def push_scope(repository: Repository) -> str:
    """Return the scope of a token that may pull from and push to `repository`."""
    return f"repository:{repository.path}:pull,push"


class Authenticator:
    """Sends requests to one registry, logged in. Threads may share it.

    The keychain is asked when the registry first asks for a login. Tokens expire by the clock.
    """

    def __init__(self, http: Http, keychain: Keychain, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._keychain = keychain
        self._clock = clock
        self._lock = threading.Lock()
        self._flight = SingleFlight()
        known = kinds.of_host(http.registry).challenge
        self._challenge = Challenge(known) if known else None
        self._credential: Credential | None = None
        self._resolved = False
        self._accepted: bool | None = None
        self._tokens: dict[str, BearerToken] = {}

    def send(self, request: Request, scope: str) -> Response:
        """Send `request` with a login for `scope`; if the registry refuses it, once more with a fresh one.

        Raises:
            CredentialsError: there is no credential, or the registry refused it twice.
            RegistryError: there was no answer.
        """
        header = self._header(scope)
        response = self._send(_with(request, header), header)
        if not _asks_again(response, header) and not self._head_expired(request, response, header):
            return response
        if response.status == _UNAUTHORIZED:
            self._learn(response)
        self._forget(scope, header)
        fresh = self._header(scope)
        if fresh is not None and fresh != header:
            response = self._send(_with(request, fresh), fresh)
        if response.status == _UNAUTHORIZED:
            raise self._turned_away(response)
        return response

    def accepted(self) -> bool:
        """Whether the registry accepts our login at all, whatever it refused. Asked once; False without a login.

        Raises:
            RegistryError: there was no answer.
        """
        if self._accepted is None:
            self._accepted = self._flight.share("accepted", self._ask_accepted)
        return self._accepted

    def _ask_accepted(self) -> bool:
        challenge, credential = self._challenge, self._find()
        if challenge is None or credential is None:
            return False
        if challenge.scheme == "bearer":
            # Without a scope, as in `docker login`: the answer is about the login alone (token.md).
            return self._fetch(challenge, "", credential).status == _OK
        return self._send(_with(Request("GET", "/v2/"), credential.basic), credential.basic).status == _OK

    def _head_expired(self, request: Request, response: Response, header: str | None) -> bool:
        """Whether a HEAD was refused because the login expired: its answer has no body to say so."""
        if request.method != "HEAD" or response.status != _FORBIDDEN or header is None:
            return False
        return _asks_again(self._send(_with(Request("GET", "/v2/"), header), header), header)

    def _send(self, request: Request, header: str | None, password: str = "") -> Response:
        """Send `request`, which has the secrets of `header` and `password` in it; remove them from a refusal's body."""
        response = self._http.send(request)
        if response.status < _FIRST_FAULT:
            return response
        body = response.body
        for secret in _secrets(header, password):
            body = body.replace(secret, b"***")
        return replace(response, body=body)

    def _header(self, scope: str) -> str | None:
        challenge = self._challenge or self._flight.share("challenge", self._ask)
        if challenge.scheme == "basic":
            credential = self._find()
            return None if credential is None else credential.basic
        if challenge.scheme == "bearer":
            return self._token(challenge, scope)
        return None

    def _ask(self) -> Challenge:
        response = self._http.send(Request("GET", "/v2/"))
        if response.status == _UNAUTHORIZED:
            return self._learn(response)
        self._challenge = Challenge()
        return self._challenge

    def _learn(self, response: Response) -> Challenge:
        offered = challenges(response.headers.get("WWW-Authenticate", ""))
        if offered or self._challenge is None:
            self._challenge = choose(offered, response)
        return self._challenge

    def _find(self) -> Credential | None:
        with self._lock:
            if self._resolved:
                return self._credential
        return self._flight.share("credential", lambda: self._resolve(fresh=False))

    def _renew(self, stale: Credential) -> Credential | None:
        """Return another credential than `stale`, if there is one now."""

        def ask() -> Credential | None:
            with self._lock:
                if self._credential != stale:  # Another thread has replaced it.
                    return self._credential
            return self._resolve(fresh=True)

        return self._flight.share("fresh credential", ask)

    def _resolve(self, *, fresh: bool) -> Credential | None:
        found = self._keychain(self._http.registry, fresh)
        with self._lock:
            if found != self._credential:
                self._accepted = None
            self._credential, self._resolved = found, True
        return found

    def _forget(self, scope: str, header: str | None) -> None:
        """Drop the refused token or credential, unless another thread has replaced it."""
        with self._lock:
            token = self._tokens.get(scope)
            if token is not None and token.header == header:
                # The token may just be old, and its credential still valid.
                del self._tokens[scope]
            credential = self._credential
        if credential is not None and credential.basic == header:
            self._renew(credential)

    def _token(self, challenge: Challenge, scope: str) -> str:
        with self._lock:
            token = self._tokens.get(scope)
        if token is None or token.dies <= self._clock():
            token = self._flight.share(f"token {scope}", lambda: self._fetch_token(challenge, scope))
        return token.header

    def _fetch_token(self, challenge: Challenge, scope: str) -> BearerToken:
        credential = self._find()
        response = self._fetch(challenge, scope, credential)
        if response.status in {_UNAUTHORIZED, _FORBIDDEN} and credential is not None:
            fresh = self._renew(credential)
            if fresh is not None and fresh != credential:
                response = self._fetch(challenge, scope, fresh)
        if response.status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise self._turned_away(response)
        if response.status != _OK:
            raise refused(response)
        token = parse_token(response, self._clock())
        keep(token.header.partition(" ")[2])
        with self._lock:
            self._tokens[scope] = token
            if self._credential is not None:
                self._accepted = True
        return token

    def _fetch(self, challenge: Challenge, scope: str, credential: Credential | None) -> Response:
        realm = self._realm(challenge)
        values = {"service": challenge.parameters.get("service", ""), **({"scope": scope} if scope else {})}
        if credential is not None and credential.username == IDENTITY_TOKEN_USER:
            values |= {"grant_type": "refresh_token", "refresh_token": credential.password, "client_id": _CLIENT}
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            request = Request("POST", realm, form, urlencode(values).encode(), limit=TOKEN_LIMIT)
            return self._send(request, None, credential.password)
        url = realm + ("&" if urlsplit(realm).query else "?") + urlencode(values)
        header = None if credential is None else credential.basic
        return self._send(_with(Request("GET", url, limit=TOKEN_LIMIT), header), header)

    def _realm(self, challenge: Challenge) -> str:
        realm = challenge.parameters.get("realm", "")
        try:
            good = trusted(realm, self._http.registry)
        except ValueError:
            good = False
        if not good:
            raise CredentialsError(
                f"{self._http.registry} names {shown_url(realm)!r} as its token server, which is not https",
                "report it to the registry's operator; no login was sent there",
            )
        return realm

    def _turned_away(self, response: Response) -> CredentialsError:
        registry = self._http.registry
        with self._lock:
            credential = self._credential
        if credential is None:
            message = f"{response.asked}: {registry} requires a login, and none was found for it"
        else:
            user = one_line(credential.username)
            message = f"{response.asked}: {registry} refused the login of {user!r}: {answered(response)}"
        return CredentialsError(message, how_to_log_in(registry), status=response.status, code="UNAUTHORIZED")


def _with(request: Request, header: str | None) -> Request:
    return request if header is None else replace(request, headers={**request.headers, "Authorization": header})


def _secrets(header: str | None, password: str) -> Iterator[bytes]:
    """Yield the secrets of a login, as plain text, forms and JSON spell them."""
    scheme, _, value = (header or "").partition(" ")
    if scheme == "Basic":
        password = base64.b64decode(value).decode().partition(":")[2]
    for secret in (value, password):
        if len(secret) >= _SHORTEST_SECRET:
            for spelled in (secret, secret.replace("/", "\\/"), quote_plus(secret), json.dumps(secret)[1:-1]):
                yield spelled.encode()


def _asks_again(response: Response, header: str | None) -> bool:
    """Whether a fresh login may help.

    ECR answers 403, not 401, to an expired token. A bearer token that is older than the repository grants nothing in
    it, and some registries answer 403 to that.
    """
    if response.status == _FORBIDDEN:
        return b"token has expired" in response.body or (header or "").startswith("Bearer ")
    return response.status == _UNAUTHORIZED


class SingleFlight:
    """Lets threads that need the same thing at once share one call. It remembers nothing: a later caller calls again.

    Forty requests that need a first token fetch one; if that fails, all forty fail at once and not one after another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Any]] = {}

    def share(self, key: str, call: Callable[[], T]) -> T:
        """Return the result of `call`, or of the call that is under way for `key`; raise what that raises."""
        with self._lock:
            waiting = self._under_way.get(key)
            if waiting is None:
                mine: Future[T] = Future()
                self._under_way[key] = mine
        if waiting is not None:
            result: T = waiting.result()
            return result
        try:
            mine.set_result(call())
        except BaseException as fault:  # noqa: BLE001  # Raised in every waiting thread, and in this one.
            mine.set_exception(fault)
        finally:
            with self._lock:
                del self._under_way[key]
        return mine.result()
