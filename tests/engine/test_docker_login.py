from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engine import docker_login
from tasks.engine.docker_login import NOT_FOUND, docker_credential
from tasks.errors import CredentialsError
from tasks.reference import Registry
from tasks.registry.keychain import IDENTITY_TOKEN_USER, Credential

OLD = Credential("me", "old")


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    def write(content: object) -> None:
        (tmp_path / "config.json").write_text(json.dumps(content))

    return write


def helper(directory: Path, name: str, script: str) -> None:
    program = directory / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


EXAMPLE = Registry("registry.example:5000")


def test_dockers_file_is_read(docker_config: Callable[[object], None]) -> None:
    docker_config({"auths": {"registry.example:5000": {"auth": "bWU6b2xk"}, "other.example": {"auth": "eDp5"}}})
    assert docker_credential(EXAMPLE, False) == OLD  # noqa: FBT003  # A Keychain is called so.


def test_dockers_name_for_docker_hub_is_known(docker_config: Callable[[object], None]) -> None:
    docker_config({"auths": {"https://index.docker.io/v1/": {"auth": "bWU6b2xk"}}})
    assert docker_credential(Registry("registry-1.docker.io")) == OLD


def test_an_identity_token_in_dockers_file_is_found(docker_config: Callable[[object], None]) -> None:
    docker_config({"auths": {"registry.example:5000": {"auth": "bWU6", "identitytoken": "identity"}}})
    assert docker_credential(EXAMPLE) == Credential(IDENTITY_TOKEN_USER, "identity")


def test_a_registry_that_docker_does_not_know_has_no_credential(docker_config: Callable[[object], None]) -> None:
    docker_config({"auths": {"other.example": {"auth": "bWU6b2xk"}, "registry.example:5000": {}}})
    assert docker_credential(EXAMPLE) is None


def test_a_machine_without_docker_has_no_credential(docker_config: Callable[[object], None]) -> None:  # noqa: ARG001
    assert docker_credential(EXAMPLE) is None


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_dockers_credential_helpers_are_asked(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    helper(tmp_path, "sample", 'echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"for $server\\"}"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({key: "sample" if key == "credsStore" else {"registry.example:5000": "sample"}})
    assert docker_credential(EXAMPLE) == Credential("me", "for registry.example:5000")


def test_helpers_know_docker_hub_by_its_address(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "sample", 'echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"for $server\\"}"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({"credsStore": "sample"})
    for host in ("registry-1.docker.io", "index.docker.io", "docker.io"):
        assert docker_credential(Registry(host)) == Credential("me", "for https://index.docker.io/v1/")


@pytest.mark.parametrize(
    "script", [f"echo '{NOT_FOUND}'; exit 1", """echo '{"Username": "", "Secret": ""}'"""], ids=["as most", "as pass"]
)
def test_what_a_helper_does_not_know_the_file_may(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    helper(tmp_path, "sample", script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({"credsStore": "sample", "auths": {"registry.example:5000": {"auth": "bWU6b2xk"}}})
    assert docker_credential(EXAMPLE) == OLD


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exec sleep 60", "did not end within 0.3 s"),
        ("echo the keychain is locked; exit 1", "the keychain is locked"),
        ("echo secret", "not JSON"),
        ("echo null", "gave no user and password"),
        ("""echo '{"Username": 1, "Secret": "secret"}'""", "gave no user and password"),
        (r"""echo '{"Username": "\\ud800", "Secret": "secret"}'""", "UnicodeEncodeError"),
    ],
)
def test_a_helper_that_fails_is_an_error(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(docker_login, "HELPER_SECONDS", 0.3)
    helper(tmp_path, "sample", script)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({"credsStore": "sample"})
    with pytest.raises(CredentialsError) as caught:
        docker_credential(EXAMPLE)
    assert reason in caught.value.message
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        {"credsStore": "that-is-not-installed"},
        {"auths": {"registry.example:5000": {"auth": "not base64!"}}},
        {"auths": {"registry.example:5000": "secret"}},
    ],
)
def test_a_configuration_that_is_at_fault_is_an_error(docker_config: Callable[[object], None], content: object) -> None:
    docker_config(content)
    with pytest.raises(CredentialsError, match=r"no usable login for registry\.example:5000") as caught:
        docker_credential(EXAMPLE)
    assert "secret" not in str(caught.value)
