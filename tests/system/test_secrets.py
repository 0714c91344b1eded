from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from urllib.parse import quote_plus

import pytest

from tasks.errors import RegistryError
from tasks.system import secrets
from tasks.system.secrets import MARK, keep, keep_variables, safe, without_secrets
from tasks.system.text import one_line, quoted, shown_url

SECRET = """MARKED/se+cret="x'y&0123456789abcdef"""


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        repr(SECRET)[1:-1],
        json.dumps(SECRET),
        json.dumps(SECRET).replace("/", "\\/"),
        quote_plus(SECRET),
        SECRET[:24],
        f"{SECRET}{SECRET}",
    ],
)
def test_a_kept_secret_is_shown_in_no_spelling(spelled: str) -> None:
    keep(SECRET)
    told = without_secrets(f"before ({spelled}) after")
    assert "MARKED" not in told
    assert told.startswith("before (")
    assert told.endswith(") after")


@pytest.mark.parametrize("secret", ["MARKEDtoken0123\n", " MARKEDtoken0123", "first line of it\nMARKEDtoken0123"])
def test_white_space_around_a_secret_does_not_hide_it_from_us(secret: str) -> None:
    keep(secret)
    assert "MARKED" not in without_secrets(f"Invalid header value {secret.encode()!r}")
    assert "MARKED" not in without_secrets("MARKEDtoken0123")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SESSION_TOKEN", "MARKED-value"),
        ("AWS_SECRET_ACCESS_KEY", "MARKED-value"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "MARKED-value"),
        ("CI_REGISTRY_PASSWORD", "MARKED-value"),
        ("HTTPS_PROXY", "socks5h://user:MARKED-value@localhost:1"),
        ("https_proxy", "http://user:MARKED/va#lue@[::1"),
        ("no_proxy", "user:MARKED-value@localhost"),
        ("all_proxy", "user:MARKED-value@localhost:1"),
        ("PIP_INDEX_URL", "https://MARKED-value@localhost/simple"),
        ("DOCKER_AUTH_CONFIG", json.dumps({"auths": {"x": {"auth": "MARKED-value"}}})),
    ],
)
def test_what_variables_hold_of_secrets_is_not_shown(name: str, value: str) -> None:
    keep_variables({name: value})
    login = value.rpartition("@")[0].removeprefix("socks5h://").removeprefix("http://").removeprefix("https://")
    for text in (value, login or value, login.partition(":")[2]):
        assert "MARKED" not in without_secrets(f"broken: {text}")


def test_a_path_that_is_kept_takes_nothing_from_other_paths() -> None:
    keep_variables({"GOOGLE_APPLICATION_CREDENTIALS": "/home/somebody/project/key-of-all.json"})
    text = "see /home/somebody/project/scripts"
    assert without_secrets(text) == text


def test_a_proxys_login_is_not_shown_in_base64() -> None:
    keep_variables({"HTTPS_PROXY": "http://user:pass%2Fword@localhost:1"})
    header = base64.b64encode(b"user:pass/word").decode()
    assert header not in without_secrets(f"Invalid header value {header!r}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/secrets/token"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("SSH_AUTH_SOCK", "/tmp/ssh/agent"),
        ("GOOGLE_APPLICATION_CREDENTIALS_FILE", "/home/somebody/keys/of/all.json"),
        ("EMAIL", "somebody@example.com"),
        ("BASE_IMAGE", "library/debian:12@sha256:0123456789abcdef"),
        ("REGISTRY_PASSWORD", "sleeper"),
        ("AWS_ACCESS_KEY_ID", "123456789012"),
        ("PATH", "/usr/bin"),
    ],
)
def test_a_variable_without_a_secret_stays_in_texts(name: str, value: str) -> None:
    keep_variables({name: value})
    for text in (value, *value.split("@")):
        assert without_secrets(f"see {text}") == f"see {text}"


@pytest.mark.parametrize(
    "text",
    [
        'Get "https://bucket.s3.amazonaws.com/docker/blob?X-Amz-Credential=MARKED&X-Amz-Signature=MARKED": EOF',
        "https://cdn.example/blob?Expires=1&Signature=MARKED~&Key-Pair-Id=K",
        "https://store.example/blob?sv=1&sig=MARKED%3D",
        "proxyconnect http://user:MARKED@proxy.example:3128: refused",
        "git fetch https://MARKED@github.com/gchq/sleeper",
        "Authorization: Bearer MARKED",
        "'Authorization': 'Basic MARKED'",
        "Proxy-Authorization: Basic MARKED",
        "The Canonical String should have been 'host:x\nx-amz-security-token:MARKED\n\nhost'",
        "Invalid header value b'Bearer MARKED0123'",
        "authorization failed: Basic TUFSS0VE0MARKED=",
        'the answer was {"token": "MARKED", "expires_in": 60}',
        'the answer was {"access_token":"MARKED"}',
        r"""the answer was b'{\"SecretAccessKey\": \"MARKED\"}'""",
        "{'identitytoken': 'MARKED'}",
        "<SecretAccessKey>MARKED</SecretAccessKey><SessionToken>MARKED</SessionToken>",
        "grant_type=refresh_token&refresh_token=MARKED&client_id=x",
        "aws_secret_access_key = MARKED",
        "AWS_SESSION_TOKEN='MARKED'",
        "--build-arg DB_PASSWORD=MARKED",
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text: str) -> None:
    told = without_secrets(text)
    assert "MARKED" not in told
    assert MARK in told


@pytest.mark.parametrize(
    "text",
    [
        "https://registry.example/v2/inst/ingest/manifests/sha256:0123",
        "docker-image://debian:12@sha256:0123456789abcdef",
        "ingest:1.0@sha256:0123456789abcdef",
        "the registry asks for a login with Negotiate; only Basic and Bearer are supported",
        "Basic authentication is disabled",
        "Bearer authentication failed",
        "ecr:GetAuthorizationToken: AWS answered AccessDenied",
        "the answer has no token",
        "set HTTPS_PROXY to http://<user>:<password>@<host>:<port>",
        "RUN curl https://example.com/jar?version=1.2&name=x",
        "insufficient_scope: authorization failed",
        "see secrets in /run/secrets/token",
    ],
)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_errors_and_what_they_quote_hold_no_secret() -> None:
    keep(SECRET)
    error = RegistryError(f"the registry says {SECRET}", f"run: curl -u me:{SECRET}")
    assert "MARKED" not in f"{error}{error!r}{error.args}{error.message}{error.next_step}"
    assert "MARKED" not in quoted("x" * 40 + SECRET)
    assert "MARKED" not in one_line("x" * 280 + SECRET)
    assert "MARKED" not in shown_url("https://me:MARKED@registry.example/v2/?X-Amz-Signature=MARKED#MARKED")


def test_a_value_with_all_its_parts_is_without_secrets() -> None:
    @dataclass(frozen=True)
    class Part:
        text: str
        size: int = 1

    @dataclass(frozen=True)
    class Whole:
        parts: tuple[Part, ...]
        text: str

    keep(SECRET)
    assert safe(Whole((Part(f"a {SECRET}"), Part("b", 2)), SECRET)) == Whole((Part("a ***"), Part("b", 2)), "***")


@pytest.mark.parametrize("piece", ["_", "a_", "a.", "basic ", "token", '"', "<token", "http://", "x:y@", "secret_"])
def test_long_text_takes_no_time_out_of_proportion(piece: str) -> None:
    keep(SECRET)
    began = time.process_time()
    without_secrets(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5


def test_nothing_is_kept_that_was_forgotten() -> None:
    keep(SECRET)
    secrets.forget()
    assert without_secrets(f"it is {SECRET[:20]}") == f"it is {SECRET[:20]}"
