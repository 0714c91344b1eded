from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CredentialsError
from tasks.reference import Registry
from tasks.registry.credentials import Challenge, Credential, challenges, choose, how_to_log_in
from tasks.registry.message import Response

UNAUTHORIZED = Response(401, {}, b"", "GET https://registry.example/v2/")
BASIC, BEARER = Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ("Basic", [Challenge("basic")]),
        ('Basic realm="here"', [Challenge("basic", {"realm": "here"})]),
        (
            'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'Negotiate, BASIC Realm = "one", Bearer realm=two',
            [Challenge("negotiate"), Challenge("basic", {"realm": "one"}), Challenge("bearer", {"realm": "two"})],
        ),
        (r'Basic realm="a \"quoted\" realm"', [Challenge("basic", {"realm": 'a "quoted" realm'})]),
        ('realm="of no scheme", Basic', [Challenge("basic")]),
    ],
)
def test_a_header_is_read_as_its_challenges(header: str, expected: list[Challenge]) -> None:
    assert list(challenges(header)) == expected


@given(st.dictionaries(st.sampled_from(["realm", "service", "scope"]), st.text(st.characters(codec="latin-1"))))
def test_what_is_quoted_is_read_as_it_was(parameters: dict[str, str]) -> None:
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in parameters.items()}
    header = "Bearer " + ",".join(f'{name}="{value}"' for name, value in quoted.items())
    assert challenges(header) == (Challenge("bearer", parameters),)


@given(st.text(max_size=300))
def test_any_header_is_read(header: str) -> None:
    assert all(challenge.scheme == challenge.scheme.lower() for challenge in challenges(header))


def test_a_token_is_chosen_before_a_password() -> None:
    assert choose((BASIC, BEARER), UNAUTHORIZED) == BEARER


def test_a_scheme_that_we_do_not_speak_is_passed_over() -> None:
    assert choose((Challenge("negotiate"), BASIC), UNAUTHORIZED) == BASIC


@pytest.mark.parametrize(("offered", "named"), [((Challenge("negotiate"),), "negotiate"), ((), "no scheme")])
def test_a_login_that_we_cannot_do_is_an_error(offered: tuple[Challenge, ...], named: str) -> None:
    with pytest.raises(CredentialsError, match=named):
        choose(offered, UNAUTHORIZED)


@pytest.mark.parametrize(
    "header", ["a" * 200_000 + "(", "a" + " " * 200_000 + "(", " " * 200_000 + "(", 'a="' * 60_000]
)
def test_a_header_of_any_length_is_parsed_in_no_time(header: str) -> None:
    started = time.process_time()
    challenges(header)
    assert time.process_time() - started < 1


# Credentials


def test_a_credential_does_not_show_its_password() -> None:
    credential = Credential("me", "secret")
    assert "secret" not in f"{credential!r} {credential}"


def test_a_user_and_a_password_are_sent_as_basic_has_them() -> None:
    """The example of RFC 7617, section 2.1, whose password is not ASCII."""
    assert Credential("test", "123\u00a3").basic == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("host", "step"),
    [
        ("registry.example:5000", "docker login registry.example:5000"),
        ("123456789012.dkr.ecr.eu-west-2.amazonaws.com", "ecr:GetAuthorizationToken"),
    ],
)
def test_a_person_without_a_login_is_told_how_this_registry_gives_one(host: str, step: str) -> None:
    assert step in how_to_log_in(Registry(host))
