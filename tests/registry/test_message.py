from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CredentialsError, RegistryError
from tasks.registry.message import Request, Response, clean, refused, shown


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


def test_a_missing_repository_names_the_task_that_makes_it() -> None:
    error = refused(answer(404, b'{"errors": [{"code": "NAME_UNKNOWN", "message": "no"}]}'))
    assert "repository:<image>" in error.next_step


@pytest.mark.parametrize(("status", "kind"), [(401, CredentialsError), (403, RegistryError), (503, RegistryError)])
def test_only_a_refused_login_is_an_error_of_credentials(status: int, kind: type[RegistryError]) -> None:
    assert type(refused(answer(status))) is kind


@given(st.text(max_size=2000))
def test_a_strangers_text_is_one_short_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= 302
    assert line.isprintable()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bucket.example/blob?X-Amz-Signature=secret#secret", "https://bucket.example/blob"),
        ("https://user:secret@bucket.example/blob", "https://bucket.example/blob"),
        ("https://[::1", "https://[::1"),
    ],
)
def test_a_url_is_shown_without_what_opens_it(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_requests_and_responses_show_no_headers_and_no_body() -> None:
    shown_request = repr(Request("GET", "/", {"Authorization": "Basic c2VjcmV0"}, b"secret"))
    shown_response = repr(Response(200, {"Location": "/?secret"}, b"secret", "GET /"))
    assert "secret" not in shown_request + shown_response
    assert "c2VjcmV0" not in shown_request
