from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.errors import RegistryError
from tasks.reference import Registry
from tasks.registry.http import Http
from tasks.registry.message import Request
from tests.registry.server import RESET, Answer, serving
from tests.registry.tls import certificate, tunnelling

GET = Request("GET", "/v2/")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refusal(registry: Registry) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        Http(registry, sleep=lambda _: None).send(GET)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"Bad Request\nThis combination of host and port requires TLS.\r\n",
    ],
    ids=["go", "nginx", "httpd", "tomcat"],
)
def test_an_https_server_on_loopback_that_says_so_is_told_as_one(body: bytes) -> None:
    with serving(lambda _: Answer(400, body=body)) as server:
        error = refusal(server.registry)
        assert server.count() == 1
    assert "the server speaks https" in error.message
    assert "DOCKER_REGISTRY" in error.next_step


def test_an_https_server_on_loopback_that_hangs_up_is_told_as_one(tmp_path: Path) -> None:
    _, context = certificate(tmp_path, "registry.example")
    with tls_server(context) as registry:
        assert "the server speaks https" in refusal(registry).message


def test_an_http_server_on_loopback_that_hangs_up_is_not(tmp_path: Path) -> None:  # noqa: ARG001
    with serving(lambda _: RESET) as server:
        assert "https" not in refusal(server.registry).message


def test_an_http_server_where_https_is_expected_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer()) as server, tunnelling(server) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.registry}")
        error = refusal(Registry("registry.example:5000"))
    assert "the server speaks http, not https" in error.message
    assert "loopback" in error.next_step


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[Registry]:
    """Run a server that begins each connection with TLS, and hangs up on one that does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield Registry(f"127.0.0.1:{listener.getsockname()[1]}")
        listener.shutdown(socket.SHUT_RDWR)
