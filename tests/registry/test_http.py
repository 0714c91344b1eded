from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import RegistryError
from tasks.reference import Registry
from tasks.registry.http import Http
from tasks.registry.message import Request
from tasks.system.backoff import Budget
from tests.registry.server import RESET, Answer, Asked, in_turn, serving
from tests.registry.tls import certificate, tunnelling

GET = Request("GET", "/v2/")
LOGGED_IN = {"Authorization": "Basic c2VjcmV0"}


class Patience:
    """Waits that take no time, and are remembered; the clock moves by them alone."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def clock(self) -> float:
        return sum(self.waits)


@pytest.fixture
def patience() -> Patience:
    return Patience()


def client(registry: Registry, patience: Patience, budget: Budget | None = None) -> Http:
    return Http(registry, budget=budget or Budget(), sleep=patience.sleep, clock=patience.clock, jitter=lambda: 1.0)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_an_answer_is_returned_whatever_its_status(patience: Patience) -> None:
    with serving(lambda _: Answer(404, {"X-Some": "thing"}, b"nothing")) as server:
        response = client(server.registry, patience).send(GET)
    assert (response.status, response.headers["x-some"], response.body) == (404, "thing", b"nothing")
    assert patience.waits == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_temporary_status_is_asked_again_after_waits_that_double(patience: Patience, status: int) -> None:
    with serving(in_turn(Answer(status), Answer(status), Answer(status), Answer())) as server:
        assert client(server.registry, patience).send(GET).status == 200
        assert server.count() == 4
    assert patience.waits == pytest.approx([0.2, 0.4, 0.8])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 501])
def test_any_other_status_is_final(patience: Patience, status: int) -> None:
    with serving(lambda _: Answer(status)) as server:
        assert client(server.registry, patience).send(GET).status == status
        assert server.count() == 1


def test_a_head_that_meets_a_tag_being_written_is_repeated(patience: Patience) -> None:
    with serving(in_turn(Answer(500), Answer(200, {"Content-Length": "7"}))) as server:
        response = client(server.registry, patience).send(Request("HEAD", "/v2/a/manifests/b"))
    assert (response.status, response.headers["Content-Length"], response.body) == (200, "7", b"")


def test_a_connection_that_is_reset_is_made_again(patience: Patience) -> None:
    with serving(in_turn(RESET, RESET, Answer(200, body=b"here"))) as server:
        assert client(server.registry, patience).send(GET).body == b"here"
        assert server.count() == 3


def test_an_answer_that_breaks_off_is_asked_for_again(patience: Patience) -> None:
    broken = Answer(200, {"Content-Length": "100"}, b"half", broken=True)
    with serving(in_turn(broken, Answer(200, body=b"whole"))) as server:
        assert client(server.registry, patience).send(GET).body == b"whole"


def test_an_answer_that_always_breaks_off_is_an_error(patience: Patience) -> None:
    with serving(lambda _: Answer(200, {"Content-Length": "100"}, b"half", broken=True)) as server:
        with pytest.raises(RegistryError, match="the connection broke") as caught:
            client(server.registry, patience).send(GET)
        assert server.count() == Budget().attempts
    assert caught.value.temporary
    assert caught.value.status == 0


def test_the_registry_may_ask_for_a_longer_wait(patience: Patience) -> None:
    with serving(in_turn(Answer(429, {"Retry-After": "7"}), Answer())) as server:
        client(server.registry, patience).send(GET)
    assert patience.waits == [7.0]


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("until", "wait"),
    [
        ("Wed, 21 Oct 2026 07:28:09 GMT", 9.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0.2),
        ("Wed, 21 Oct 2026 07:28:09", 0.2),
        ("Wed, 99 Oct 99999 07:28:09 GMT", 0.2),
        ("-7", 0.2),
        ("soon", 0.2),
    ],
)
def test_it_may_name_the_moment_by_its_own_clock(patience: Patience, until: str, wait: float) -> None:
    with serving(in_turn(Answer(429, {"Retry-After": until, "Date": DATE}), Answer())) as server:
        client(server.registry, patience).send(GET)
    assert patience.waits == [wait]


def test_a_wait_beyond_the_budget_is_not_begun(patience: Patience) -> None:
    with serving(lambda _: Answer(429, {"Retry-After": "3600"})) as server:
        assert client(server.registry, patience).send(GET).status == 429
        assert server.count() == 1
    assert patience.waits == []


def test_the_budget_ends_the_attempts(patience: Patience) -> None:
    with serving(lambda _: Answer(503)) as server:
        assert client(server.registry, patience, Budget(attempts=3)).send(GET).status == 503
        assert server.count() == 3


@given(st.integers(1, 50), st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_longest_nor_nothing(attempt: int, jitter: float) -> None:
    assert 0 < Budget().wait(attempt, jitter) <= Budget().longest_wait


def test_nobody_listening_is_an_error_that_names_the_url(patience: Patience) -> None:
    with serving(lambda _: Answer()) as server:
        gone = server.registry
    with pytest.raises(RegistryError, match=f"GET http://{gone}/v2/: the connection was refused") as caught:
        client(gone, patience).send(GET)
    assert caught.value.temporary
    assert "registry is running" in caught.value.next_step


def test_a_body_that_is_announced_too_large_is_not_read(patience: Patience) -> None:
    with serving(lambda _: Answer(200, {"Content-Length": str(2**30)}, b"x" * 1000)) as server:
        with pytest.raises(RegistryError, match="larger than the limit of 4194304 bytes"):
            client(server.registry, patience).send(GET)
        assert server.count() == 1


def test_a_body_that_is_too_large_without_saying_so_is_cut_off(patience: Patience) -> None:
    def answer(_: Asked) -> Answer:
        chunk = b"%x\r\n%s\r\n" % (1000, b"x" * 1000)
        return Answer(200, {"Transfer-Encoding": "chunked", "Content-Length": ""}, chunk * 20)

    with serving(answer) as server, pytest.raises(RegistryError, match="larger than the limit of 5000 bytes"):
        client(server.registry, patience).send(Request("GET", "/", limit=5000))


@pytest.mark.parametrize("size", [0, 1, 4999, 5000])
def test_a_body_within_its_limit_is_read_whole(patience: Patience, size: int) -> None:
    with serving(lambda _: Answer(200, body=b"x" * size)) as server:
        assert len(client(server.registry, patience).send(Request("GET", "/", limit=5000)).body) == size


def test_forty_threads_share_the_connections(patience: Patience) -> None:
    met = threading.Barrier(8)

    def answer(_: Asked) -> Answer:
        met.wait(10)
        return Answer()

    with serving(answer) as server:
        http = Http(server.registry, connections=8, sleep=patience.sleep)
        results: list[int] = []
        threads = [threading.Thread(target=lambda: results.append(http.send(GET).status)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [200] * 40


# Redirects


def test_a_redirect_is_followed_only_where_it_is_wanted(patience: Patience) -> None:
    with serving(in_turn(Answer(307, {"Location": "/elsewhere"}), Answer(200, body=b"blob"))) as server:
        http = client(server.registry, patience)
        assert http.send(GET).status == 307
    with serving(in_turn(Answer(307, {"Location": "/elsewhere"}), Answer(200, body=b"blob"))) as server:
        http = client(server.registry, patience)
        assert http.send(Request("GET", "/", follow=True)).body == b"blob"
        assert [one.target for one in server.asked] == ["/", "/elsewhere"]


def test_a_login_is_not_taken_to_another_host(patience: Patience) -> None:
    with serving(lambda _: Answer(200, body=b"blob")) as storage:
        with serving(lambda _: Answer(307, {"Location": f"{storage.url}/bucket?signature=x"})) as server:
            response = client(server.registry, patience).send(Request("GET", "/", LOGGED_IN, follow=True))
            assert server.asked[0].headers["authorization"] == LOGGED_IN["Authorization"]
        assert response.body == b"blob"
        assert "authorization" not in storage.asked[0].headers


def test_a_login_is_kept_on_the_same_host(patience: Patience) -> None:
    with serving(in_turn(Answer(302, {"Location": "/there"}), Answer())) as server:
        client(server.registry, patience).send(Request("GET", "/", LOGGED_IN, follow=True))
        assert server.asked[1].headers["authorization"] == LOGGED_IN["Authorization"]


@pytest.mark.parametrize(
    "location", ["http://registry.example/x", "file:///etc/passwd", "https://a:b@registry.example/"]
)
def test_a_redirect_to_what_is_not_https_is_refused(patience: Patience, location: str) -> None:
    with serving(lambda _: Answer(307, {"Location": location})) as server:
        with pytest.raises(RegistryError, match="which is not https"):
            client(server.registry, patience).send(Request("GET", "/", LOGGED_IN, follow=True))
        assert server.count() == 1


@pytest.mark.parametrize("location", ["https://[::1", "http://["])
def test_a_redirect_to_what_is_no_url_is_refused(patience: Patience, location: str) -> None:
    with (
        serving(lambda _: Answer(307, {"Location": location})) as server,
        pytest.raises(RegistryError, match="malformed"),
    ):
        client(server.registry, patience).send(Request("GET", "/", follow=True))


def test_redirects_in_a_circle_end(patience: Patience) -> None:
    with serving(lambda _: Answer(307, {"Location": "/again"})) as server:
        with pytest.raises(RegistryError, match="redirected too many times"):
            client(server.registry, patience).send(Request("GET", "/", follow=True))
        assert server.count() == 6


# https and proxies


def test_a_registry_elsewhere_is_spoken_to_by_https_through_the_proxy(
    patience: Patience, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = certificate(tmp_path, "registry.example")
    with serving(lambda _: Answer(200, body=b"secure"), context) as server, tunnelling(server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@{proxy.registry}")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        response = client(Registry("registry.example"), patience).send(GET)
        assert (response.asked, response.body) == ("GET https://registry.example/v2/", b"secure")
        assert proxy.asked[0].target == "registry.example:443"
        assert proxy.asked[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
        assert "proxy-authorization" not in server.asked[0].headers


def test_a_certificate_that_nobody_vouches_for_is_refused(
    patience: Patience, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, context = certificate(tmp_path, "registry.example")
    with serving(lambda _: Answer(), context) as server, tunnelling(server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.registry}")
        with pytest.raises(RegistryError, match="no secure connection") as caught:
            client(Registry("registry.example"), patience).send(Request("GET", "/", LOGGED_IN))
        assert server.count() == 0
    assert not caught.value.temporary


def test_a_proxy_that_refuses_is_an_error_without_its_password(
    patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: Answer(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@{proxy.registry}")
        with pytest.raises(RegistryError, match=r"registry\.example") as caught:
            client(Registry("registry.example"), patience).send(GET)
    assert "hunter2" not in str(caught.value)


def test_loopback_needs_no_proxy(patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer(502)) as proxy, serving(lambda _: Answer()) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert client(server.registry, patience).send(GET).status == 200
        assert proxy.count() == 0


def test_no_proxy_names_hosts_that_need_none(patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer(502)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "registry.invalid")
        with pytest.raises(RegistryError, match="the host name does not resolve") as caught:
            client(Registry("registry.invalid"), patience).send(GET)
        assert proxy.count() == 0
    assert not caught.value.temporary


def test_a_proxy_of_another_kind_is_refused(patience: Patience, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1")
    with pytest.raises(RegistryError, match="proxy in ALL_PROXY cannot be used: socks5 is not") as caught:
        client(Registry("registry.example"), patience)
    assert "hunter2" not in str(caught.value)
