from __future__ import annotations

from pathlib import Path

import pytest

from tasks.engine.docker_config import helped, known, read_config, user_config_directory


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"DOCKER_CONFIG": "/there", "HOME": "/home/me"}, "/there"),
        ({"HOME": "/home/me"}, "/home/me/.docker"),
        ({"DOCKER_CONFIG": "", "HOME": "/home/me"}, "/home/me/.docker"),
    ],
)
def test_the_configuration_is_where_docker_looks_for_it(environment: dict[str, str], directory: str) -> None:
    assert user_config_directory(environment) == Path(directory)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"null", b'{"auths":', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_configuration_is_an_empty_one(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    assert read_config(tmp_path / "config.json") == {}


def test_a_host_is_known_by_its_login_or_by_its_helper() -> None:
    config = {"auths": {"a.example": {}}, "credHelpers": {"b.example": "ecr-login"}, "credsStore": "desktop"}
    assert helped(config) == {"b.example"}
    assert known(config) == {"a.example", "b.example"}


@pytest.mark.parametrize(
    ("key", "server"),
    [
        ("a.example", "a.example"),
        ("https://a.example", "a.example"),
        ("https://a.example:5000/v1/", "a.example:5000"),
        ("a.example/v2/", "a.example"),
        ("http://[::1]:5000/", "[::1]:5000"),
        ("https://index.docker.io/v1/", "https://index.docker.io/v1/"),
        ("docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_a_host_is_known_by_the_name_that_dockers_clients_ask_for(key: str, server: str) -> None:
    assert known({"auths": {key: {}}}) == helped({"credHelpers": {key: "x"}}) == {server}


@pytest.mark.parametrize("malformed", [None, [], "a.example", 1])
def test_what_is_malformed_names_no_host(malformed: object) -> None:
    assert known({"auths": malformed, "credHelpers": malformed}) == frozenset()
