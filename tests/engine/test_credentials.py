from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engine import credentials
from tasks.engine.credentials import NOT_FOUND, docker_credential
from tasks.errors import CredentialsError
from tasks.reference import Registry
from tasks.registry.credentials import IDENTITY_TOKEN_USER, Credential

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


@pytest.mark.parametrize(
    "key",
    [
        *("registry.example:5000", "registry.example:5000/", "https://registry.example:5000"),
        *("https://registry.example:5000/", "https://registry.example:5000/v1/", "https://registry.example:5000/v2/"),
        *("http://registry.example:5000", "registry.example:5000/v2/", "Registry.Example:5000"),
    ],
)
@pytest.mark.parametrize(
    "entry",
    [
        {"auth": "bWU6b2xk"},
        {"username": "me", "password": "old"},
        {"auth": "bWU6b2xk", "username": "x", "password": "y"},
    ],
    ids=["auth", "user and password", "auth before user and password"],
)
def test_a_login_is_found_however_it_is_written(
    docker_config: Callable[[object], None], key: str, entry: dict[str, str]
) -> None:
    docker_config({"auths": {"other.example": {"auth": "eDp5"}, key: entry}})
    assert docker_credential(EXAMPLE) == OLD


def test_an_entry_without_a_login_does_not_hide_another_of_the_same_host(
    docker_config: Callable[[object], None],
) -> None:
    docker_config({"auths": {"registry.example:5000": {}, "https://registry.example:5000": {"auth": "bWU6b2xk"}}})
    assert docker_credential(EXAMPLE) == OLD


def test_the_fault_of_another_hosts_entry_is_left_alone(docker_config: Callable[[object], None]) -> None:
    docker_config({"auths": {"other.example": {"auth": "not base64!"}, "registry.example:5000": {"auth": "bWU6b2xk"}}})
    assert docker_credential(EXAMPLE) == OLD


@pytest.mark.parametrize("host", ["registry-1.docker.io", "index.docker.io", "docker.io"])
@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "https://registry-1.docker.io/v2/"])
def test_docker_hub_has_one_login_under_all_its_names(
    docker_config: Callable[[object], None], host: str, key: str
) -> None:
    docker_config({"auths": {key: {"auth": "bWU6b2xk"}}})
    assert docker_credential(Registry(host)) == OLD


def test_a_helper_is_asked_by_the_name_that_the_login_was_stored_under(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = "https://registry.example:5000/v2/"
    answer = 'echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"old\\"}"'
    helper(tmp_path, "sample", f'[ "$server" = {stored} ] && {answer} || {{ echo "{NOT_FOUND}"; exit 1; }}')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({"credsStore": "sample", "auths": {stored: {}}})
    assert docker_credential(EXAMPLE) == OLD


def test_a_helper_of_a_host_is_found_by_its_address(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(tmp_path, "sample", 'echo "{\\"Username\\": \\"me\\", \\"Secret\\": \\"old\\"}"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    docker_config({"credHelpers": {"https://registry.example:5000": "sample"}, "credsStore": "that-is-not-installed"})
    assert docker_credential(EXAMPLE) == OLD


@pytest.mark.parametrize("text", ['{"auths": {\n"secret"', "[]", "null", "\x00", "[" * 100_000])
def test_a_configuration_that_is_not_json_is_an_error_that_names_the_file(
    docker_config: Callable[[object], None], tmp_path: Path, text: str
) -> None:
    docker_config({})
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CredentialsError, match=r"config\.json") as caught:
        docker_credential(EXAMPLE)
    assert "secret" not in str(caught.value)


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
        ("echo secret", "did not print JSON"),
        ("echo null", "printed no user and password"),
        ("""echo '{"Username": 1, "Secret": "secret"}'""", "printed no user and password"),
        (r"""echo '{"Username": "\\ud800", "Secret": "secret"}'""", "a user or password that is not UTF-8"),
    ],
)
def test_a_helper_that_fails_is_an_error(
    docker_config: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(credentials, "HELPER_SECONDS", 0.3)
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
