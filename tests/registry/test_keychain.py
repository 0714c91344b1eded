from __future__ import annotations

import pytest

from tasks.reference import Registry
from tasks.registry.keychain import Credential, how_to_log_in


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
