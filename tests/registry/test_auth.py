from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Registry, Repository
from tasks.registry.auth import Authenticator, pull_scope, push_scope
from tasks.registry.client import Client
from tasks.registry.credentials import IDENTITY_TOKEN_USER, Credential, Keychain
from tasks.registry.http import Http
from tasks.registry.message import Request, Response
from tests.registry.server import Answer, Asked, Server, serving

OLD, NEW = Credential("me", "old"), Credential("me", "new")
THING = Request("GET", "/v2/a/manifests/b")
SCOPE = "repository:a:pull"


class Credentials:
    """A keychain that remembers how it was asked; it has one credential, and a fresh one."""

    def __init__(self, first: Credential | None, fresh: Credential | None = None) -> None:
        self.first, self.fresh = first, fresh or first
        self.asked: list[bool] = []

    def __call__(self, registry: Registry, fresh: bool) -> Credential | None:  # noqa: ARG002  # A Keychain.
        self.asked.append(fresh)
        return self.fresh if fresh else self.first


def authenticator(server: Server, keychain: Keychain, clock: Callable[[], float] = lambda: 0.0) -> Authenticator:
    return Authenticator(Http(server.registry, sleep=lambda _: None), keychain, clock=clock)


# Basic


def basic(*accepted: Credential) -> Callable[[Asked], Answer]:
    headers = {one.basic for one in accepted}

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") in headers:
            return Answer(200, body=b"in")
        return Answer(401, {"WWW-Authenticate": 'Basic realm="registry"'})

    return answer


def test_a_password_is_sent_after_asking_once_what_is_wanted() -> None:
    with serving(basic(OLD)) as server:
        sender = authenticator(server, Credentials(OLD))
        assert [sender.send(THING, SCOPE).status for _ in range(3)] == [200] * 3
        assert [one.target for one in server.asked] == ["/v2/", *[THING.url] * 3]


def test_a_registry_that_wants_no_login_is_sent_none() -> None:
    with serving(lambda _: Answer()) as server:
        keychain = Credentials(OLD)
        assert authenticator(server, keychain).send(THING, SCOPE).status == 200
        assert all("authorization" not in one.headers for one in server.asked)
        assert keychain.asked == []


def test_a_registry_that_wants_a_login_only_for_some_things_gets_it_then() -> None:
    with serving(lambda asked: Answer() if asked.target == "/v2/" else basic(OLD)(asked)) as server:
        assert authenticator(server, Credentials(OLD)).send(THING, SCOPE).body == b"in"


def test_a_refused_password_is_replaced_by_a_fresh_one_once() -> None:
    with serving(basic(NEW)) as server:
        keychain = Credentials(OLD, NEW)
        sender = authenticator(server, keychain)
        assert [sender.send(THING, SCOPE).status for _ in range(2)] == [200, 200]
        assert keychain.asked == [False, True]


def test_ecrs_answer_to_an_expired_token_asks_for_a_fresh_one_too() -> None:
    words = "Your authorization token has expired. Reauthenticate and try again."
    body = json.dumps({"errors": [{"code": "DENIED", "message": words}]}).encode()

    def answer(asked: Asked) -> Answer:
        accepted = basic(NEW)(asked)
        return Answer(403, body=body) if asked.headers.get("authorization") == OLD.basic else accepted

    with serving(answer) as server:
        assert authenticator(server, Credentials(OLD, NEW)).send(THING, SCOPE).body == b"in"


def test_a_head_whose_answer_cannot_say_that_the_token_expired_is_sent_again() -> None:
    words = b'{"errors": [{"code": "DENIED", "message": "Your authorization token has expired."}]}'

    def answer(asked: Asked) -> Answer:
        return Answer(403, body=words) if asked.headers.get("authorization") == OLD.basic else basic(NEW)(asked)

    with serving(answer) as server:
        assert authenticator(server, Credentials(OLD, NEW)).send(Request("HEAD", THING.url), SCOPE).status == 200


def test_a_head_that_is_refused_for_another_reason_is_not_sent_again() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(403) if asked.method == "HEAD" else basic(OLD)(asked)

    with serving(answer) as server:
        keychain = Credentials(OLD, NEW)
        assert authenticator(server, keychain).send(Request("HEAD", THING.url), SCOPE).status == 403
        assert (server.count("HEAD"), keychain.asked) == (1, [False])


def test_a_bearer_token_that_is_refused_with_403_is_replaced_once() -> None:
    """It may be older than the repository that it is for."""
    tokens = TokenServer(OLD)

    def answer(asked: Asked) -> Answer:
        refused = asked.headers.get("authorization") == "Bearer token-1"
        return Answer(403) if refused else tokens(asked)

    with serving(answer) as server:
        assert authenticator(server, Credentials(OLD)).send(THING, SCOPE).body == b"in"


def test_another_403_is_an_answer_and_not_asked_again() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(403) if basic(OLD)(asked).status == 200 else basic(OLD)(asked)

    with serving(answer) as server:
        keychain = Credentials(OLD, NEW)
        assert authenticator(server, keychain).send(THING, SCOPE).status == 403
        assert keychain.asked == [False]


def test_a_password_that_is_refused_twice_is_an_error_without_it() -> None:
    with serving(basic()) as server:
        with pytest.raises(CredentialsError, match="refused the login of 'me'") as caught:
            authenticator(server, Credentials(OLD, NEW)).send(THING, SCOPE)
        assert server.count(target=THING.url) == 2
    assert caught.value.status == 401
    assert f"docker login {server.registry}" in caught.value.next_step
    assert "old" not in str(caught.value)


def test_the_same_password_is_not_sent_twice() -> None:
    with serving(basic()) as server:
        with pytest.raises(CredentialsError):
            authenticator(server, Credentials(OLD)).send(THING, SCOPE)
        assert server.count(target=THING.url) == 1


def test_no_password_for_a_registry_that_wants_one_is_an_error() -> None:
    with serving(basic(OLD)) as server, pytest.raises(CredentialsError, match="requires a login, and none was found"):
        authenticator(server, Credentials(None)).send(THING, SCOPE)


def test_threads_whose_password_is_refused_at_once_fetch_one_fresh_one() -> None:
    refused = threading.Barrier(8)

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") == OLD.basic:
            refused.wait(10)
        return basic(NEW)(asked)

    with serving(answer) as server, ThreadPoolExecutor(8) as pool:
        keychain = Credentials(OLD, NEW)
        sender = authenticator(server, keychain)
        assert {one.status for one in pool.map(lambda _: sender.send(THING, SCOPE), range(8))} == {200}
        assert keychain.asked == [False, True]
        assert server.count(target="/v2/a") == 16


def test_a_password_that_another_thread_has_replaced_is_not_replaced_again() -> None:
    replaced, sent = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/late" and asked.headers["authorization"] == OLD.basic:
            sent.set()
            replaced.wait(10)
        return basic(NEW)(asked)

    with serving(answer) as server, ThreadPoolExecutor(1) as pool:
        keychain = Credentials(OLD, NEW)
        sender = authenticator(server, keychain)
        late = pool.submit(sender.send, Request("GET", "/v2/late"), SCOPE)
        sent.wait(10)
        sender.send(THING, SCOPE)
        replaced.set()
        assert late.result(10).body == b"in"
        assert keychain.asked == [False, True]


def test_a_keychain_that_fails_fails_the_request() -> None:
    def keychain(registry: Registry, fresh: bool) -> Credential | None:  # noqa: ARG001  # A Keychain.
        raise CredentialsError("no AWS login", "log in")

    with serving(basic(OLD)) as server, pytest.raises(CredentialsError, match="no AWS login"):
        authenticator(server, keychain).send(THING, SCOPE)


def test_ecr_is_not_asked_what_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    http = Http(Registry("123456789012.dkr.ecr.eu-west-2.amazonaws.com"))
    sent: list[Request] = []

    def send(request: Request) -> Response:
        sent.append(request)
        return Response(200, {}, b"", "")

    monkeypatch.setattr(http, "send", send)
    Authenticator(http, Credentials(OLD)).send(THING, SCOPE)
    assert [(one.url, one.headers["Authorization"]) for one in sent] == [(THING.url, OLD.basic)]


# Bearer


class TokenServer:
    """A registry that wants tokens, and the server that gives them, at one address."""

    def __init__(self, *accepted: Credential | None, **answer: object) -> None:
        self.accepted = {one.basic if one else None for one in accepted}
        self.answer = answer
        self.valid: set[str] = set()
        self.realm = "/token"
        self._lock = threading.Lock()
        self._given = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.target.startswith("/token"):
            return self.give(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
            return Answer(200, body=b"in")
        realm = f"http://{asked.headers['host']}/token" if self.realm == "/token" else self.realm
        return Answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="the registry"'})

    def give(self, asked: Asked) -> Answer:
        if asked.method == "GET" and asked.headers.get("authorization") not in self.accepted:
            return Answer(401, body=b'{"errors": [{"code": "UNAUTHORIZED", "message": "who?"}]}')
        with self._lock:
            self._given += 1
            token = f"token-{self._given}"
            self.valid.add(token)
        return Answer(200, body=json.dumps({"token": token, **self.answer}).encode())


def test_a_token_is_fetched_once_for_a_scope() -> None:
    with serving(TokenServer(OLD)) as server:
        sender = authenticator(server, Credentials(OLD))
        for scope in ("repository:a:pull", "repository:a:pull", "repository:a:pull,push"):
            assert sender.send(THING, scope).body == b"in"
        asked = [parse_qs(urlsplit(one.target).query) for one in server.asked if one.target.startswith("/token")]
    assert asked == [
        {"service": ["the registry"], "scope": ["repository:a:pull"]},
        {"service": ["the registry"], "scope": ["repository:a:pull,push"]},
    ]


def test_threads_that_need_the_same_token_fetch_it_once() -> None:
    tokens = TokenServer(OLD)
    with serving(tokens) as server, ThreadPoolExecutor(8) as pool:
        sender = authenticator(server, Credentials(OLD))
        list(pool.map(lambda _: sender.send(THING, SCOPE), range(8)))
        assert server.count(target="/token") == 1


def test_a_registry_that_gives_tokens_to_everybody_needs_no_credential() -> None:
    with serving(TokenServer(None)) as server:
        assert authenticator(server, Credentials(None)).send(THING, SCOPE).body == b"in"


@pytest.mark.parametrize(("lasts", "fetched"), [({"expires_in": 300}, 1), ({"expires_in": 60}, 2), ({}, 2)])
def test_a_token_is_replaced_before_it_ends(lasts: dict[str, int], fetched: int) -> None:
    now = [0.0]
    with serving(TokenServer(OLD, **lasts)) as server:
        sender = authenticator(server, Credentials(OLD), clock=lambda: now[0])
        sender.send(THING, SCOPE)
        now[0] = 55.0
        sender.send(THING, SCOPE)
        assert server.count(target="/token") == fetched


def test_a_token_that_the_registry_no_longer_takes_is_replaced() -> None:
    tokens = TokenServer(OLD)
    with serving(tokens) as server:
        keychain = Credentials(OLD)
        sender = authenticator(server, keychain)
        sender.send(THING, SCOPE)
        tokens.valid.clear()
        assert sender.send(THING, SCOPE).body == b"in"
        assert keychain.asked == [False]


def test_a_password_that_the_token_server_refuses_is_replaced_once() -> None:
    with serving(TokenServer(NEW)) as server:
        keychain = Credentials(OLD, NEW)
        assert authenticator(server, keychain).send(THING, SCOPE).body == b"in"
        assert keychain.asked == [False, True]


def test_a_password_that_the_token_server_refuses_twice_is_an_error() -> None:
    with serving(TokenServer(None)) as server, pytest.raises(CredentialsError, match="UNAUTHORIZED: who\\?") as caught:
        authenticator(server, Credentials(OLD)).send(THING, SCOPE)
    assert "old" not in str(caught.value)


def test_an_identity_token_is_exchanged_without_being_in_the_url() -> None:
    with serving(TokenServer()) as server:
        sender = authenticator(server, Credentials(Credential(IDENTITY_TOKEN_USER, "identity")))
        assert sender.send(THING, SCOPE).body == b"in"
        exchange = next(one for one in server.asked if one.target.startswith("/token"))
    assert (exchange.method, exchange.target) == ("POST", "/token")
    assert parse_qs(exchange.body.decode()) == {
        "service": ["the registry"],
        "scope": [SCOPE],
        "grant_type": ["refresh_token"],
        "refresh_token": ["identity"],
        "client_id": ["sleeper-images"],
    }


@pytest.mark.parametrize(
    "realm", ["http://evil.example/token", "", "token", "https://me:secret@evil.example/", "https://["]
)
def test_no_login_is_sent_to_a_token_server_that_is_not_https(realm: str) -> None:
    tokens = TokenServer(OLD)
    tokens.realm = realm
    with serving(tokens) as server:
        with pytest.raises(CredentialsError, match="which is not https") as caught:
            authenticator(server, Credentials(OLD)).send(THING, SCOPE)
        assert all("authorization" not in one.headers for one in server.asked)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", [None, 7, "", "two\r\nlines", "two words", "é"])
def test_an_answer_without_a_usable_token_is_an_error(token: object) -> None:
    with serving(TokenServer(OLD, token=token)) as server, pytest.raises(RegistryError, match="has no token"):
        authenticator(server, Credentials(OLD)).send(THING, SCOPE)


@pytest.mark.parametrize("lasts", [None, "soon", -1, 0, True])
def test_a_token_that_does_not_say_how_long_it_lasts_is_used(lasts: object) -> None:
    with serving(TokenServer(OLD, expires_in=lasts)) as server:
        assert authenticator(server, Credentials(OLD)).send(THING, SCOPE).body == b"in"


# What is shown


def test_scopes_name_the_repository_and_what_is_done_with_it() -> None:
    repository = Repository(Registry("registry.example"), "mine/ingest")
    assert pull_scope(repository) == "repository:mine/ingest:pull"
    assert push_scope(repository) == "repository:mine/ingest:pull,push"


# Registries that repeat what they were sent


LONG = Credential("me", 'long/secret=+"x')


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    "said",
    [
        lambda asked: asked.headers.get("authorization", ""),
        lambda _: LONG.password,
        lambda asked: "of " + asked.headers.get("authorization", "").replace("/", "\\/"),
    ],
    ids=["the header", "the password", "the header, escaped"],
)
def test_a_refusal_that_repeats_the_login_is_told_without_it(status: int, said: Callable[[Asked], str]) -> None:
    def answer(asked: Asked) -> Answer:
        body = json.dumps({"errors": [{"code": "X", "message": said(asked)}]}).replace("\\\\", "\\").encode()
        return Answer(401 if asked.target == "/v2/" else status, {"WWW-Authenticate": "Basic"}, body)

    with serving(answer) as server:
        client = Client(server.registry, Credentials(LONG), http=Http(server.registry, sleep=lambda _: None))
        with pytest.raises(RegistryError, match=str(status)) as caught:
            client.manifest(Repository(server.registry, "a"), "b")
    told = str(caught.value)
    assert "***" in told
    for secret in (LONG.password, LONG.password[:8], LONG.basic.partition(" ")[2]):
        assert secret not in told


@pytest.mark.parametrize("user", ["me", IDENTITY_TOKEN_USER])
def test_a_token_server_that_repeats_the_login_is_told_without_it(user: str) -> None:
    def answer(asked: Asked) -> Answer:
        if not asked.target.startswith("/token"):
            return Answer(401, {"WWW-Authenticate": f'Bearer realm="http://{asked.headers["host"]}/token"'})
        said = asked.headers.get("authorization", "") + asked.body.decode()
        return Answer(400, body=json.dumps({"errors": [{"code": "X", "message": said}]}).encode())

    credential = Credential(user, LONG.password)
    with serving(answer) as server, pytest.raises(RegistryError, match="400") as caught:
        authenticator(server, Credentials(credential)).send(THING, SCOPE)
    told = str(caught.value)
    assert "***" in told
    assert not [secret for secret in ("long", credential.basic.partition(" ")[2]) if secret in told]
