from __future__ import annotations

import pytest

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Registry
from tasks.registry.message import Request, Response, refused, trusted


def answer(status: int, body: bytes = b"") -> Response:
    return Response(status, {}, body, "GET https://registry.example/v2/")


def test_an_error_repeats_the_registrys_own_words() -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "not\\nyours \\u001b[31m", "detail": {}}]}'
    error = refused(answer(403, body))
    assert error.message.endswith("/v2/: the registry answered 403 (DENIED: not yours [31m)")
    assert (error.status, error.code, error.temporary) == (403, "DENIED", False)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"errors": []}', b'{"errors": [7]}', b'{"errors": 7}', b"[" * 100_000]
)
def test_an_error_without_the_registrys_words_still_has_the_status(body: bytes) -> None:
    assert refused(answer(403, body)).message.endswith("the registry answered 403")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"errors":[{"code":"X","message":"blob upload invalid","detail":"does not allow updating assets: it"}]}',
            "X: blob upload invalid: does not allow updating assets: it",
        ),
        (
            b'{"errors":[{"code":"DENIED","detail":"no content selector"}]}',
            "DENIED: no content selector",
        ),
        (b'{"errors":[{"status":403,"message":"not enough rights to overwrite"}]}', "not enough rights to overwrite"),
        (b'{"errors":[{"code":"X","message":"m","detail":{"reason":"quota exceeded"}}]}', "X: m: quota exceeded"),
        (b'{"errors":[{"code":"X","message":"m","detail":{"Tag":"1.2"}}]}', "X: m"),
        (b'{"errors":[{"code":"X","message":"m","detail":"m"}]}', "X: m"),
        (b'{"details":"incorrect username or password"}', "incorrect username or password"),
        (
            b'{"error":"invalid_grant","error_description":"it was revoked"}',
            "invalid_grant: it was revoked",
        ),
    ],
    ids=["nexus", "detail alone", "artifactory", "reason", "what we asked", "the same", "docker hub", "oauth"],
)
def test_the_reason_is_shown_wherever_it_stands(body: bytes, said: str) -> None:
    assert refused(answer(400, body)).message.endswith(f"the registry answered 400 ({said})")


def test_a_reason_in_plain_text_is_shown() -> None:
    response = Response(403, {"Content-Type": "text/plain; charset=utf-8"}, b"blocked by policy 7\n", "GET /v2/")
    assert refused(response).message.endswith("answered 403 (blocked by policy 7)")


@pytest.mark.parametrize(
    ("seconds", "said"), [("30", "30 s"), ("90", "90 s"), ("600", "10 min"), ("3600", "60 min"), ("9000", "2.5 h")]
)
def test_a_long_wait_is_said_with_when_to_run_again(seconds: str, said: str) -> None:
    error = refused(Response(429, {"Retry-After": seconds}, b"", "GET /v2/"))
    assert error.message.endswith(f"answered 429; it asks to wait {said}")
    assert error.next_step.startswith(f"run again in {said};")


def test_a_redirect_says_where_to_without_what_opens_it() -> None:
    location = "https://me:secret@other.example/v2/?token=secret"
    error = refused(Response(301, {"Location": location}, b"", "GET /v2/"))
    assert error.message.endswith("answered 301; it redirects to https://other.example/v2/")
    assert "DOCKER_REGISTRY" in error.next_step


def test_a_missing_repository_is_named_with_what_makes_it() -> None:
    body = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "no"}]}'
    error = refused(Response(404, {}, body, "POST https://registry.example/v2/mine/ingest/blobs/uploads/"))
    assert "(in ECR: aws ecr create-repository --repository-name mine/ingest)" in error.next_step


def test_a_login_that_ecr_cannot_read_is_answered_by_another_login() -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "Your Authorization Token is invalid."}]}'
    assert "docker login" in refused(answer(400, body)).next_step


@pytest.mark.parametrize(("status", "kind"), [(401, CredentialsError), (403, RegistryError), (503, RegistryError)])
def test_only_a_refused_login_is_an_error_of_credentials(status: int, kind: type[RegistryError]) -> None:
    assert type(refused(answer(status))) is kind


def test_requests_and_responses_show_no_headers_and_no_body() -> None:
    shown_request = repr(Request("GET", "/", {"Authorization": "Basic c2VjcmV0"}, b"secret"))
    shown_response = repr(Response(200, {"Location": "/?secret"}, b"secret", "GET /"))
    assert "secret" not in shown_request + shown_response
    assert "c2VjcmV0" not in shown_request


@pytest.mark.parametrize(
    ("url", "registry", "expected"),
    [
        ("https://auth.example/token", "registry.example", True),
        ("http://auth.example/token", "registry.example", False),
        ("http://127.0.0.1:80/token", "registry.example", False),
        ("http://auth.example/token", "127.0.0.1:5000", False),
        ("http://127.0.0.1:80/token", "127.0.0.1:5000", True),
        ("http://localhost/token", "127.0.0.1:5000", True),
        ("http://[::1]:5000/token", "127.0.0.1:5000", True),
        ("https://user@auth.example/", "registry.example", False),
        ("https:///token", "registry.example", False),
        ("/token", "registry.example", False),
    ],
)
def test_we_go_only_where_nobody_can_listen_in(url: str, registry: str, expected: bool) -> None:
    assert trusted(url, Registry(registry)) is expected
