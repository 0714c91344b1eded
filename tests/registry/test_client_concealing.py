"""The first push to a registry that refuses to read what does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Repository
from tasks.registry import images
from tasks.registry.client import Client
from tasks.registry.credentials import Credential
from tasks.registry.http import Http
from tests.registry.asking import PATH
from tests.registry.concealing import ME, STYLES, Concealing
from tests.registry.images import config, image
from tests.registry.server import Server, serving

CONFIG = config()
MANIFEST = image(CONFIG, [])


@contextmanager
def asking(registry: Concealing, login: Credential | None = ME) -> Iterator[tuple[Client, Repository, Server]]:
    """Serve a registry; yield a client that pushes to it."""
    with serving(registry.answer) as server:
        http = Http(server.registry, sleep=lambda _: None)
        client = Client(server.registry, lambda _registry, _fresh: login, http=http, conceals=True)
        yield client, Repository(server.registry, PATH), server


@pytest.mark.parametrize("style", STYLES)
def test_what_is_hidden_where_we_may_push_is_absent(style: str) -> None:
    with asking(Concealing(style)) as (client, repository, _):
        assert client.head(repository, "0.1") is None
        assert client.manifest(repository, "0.1") is None


@pytest.mark.parametrize("style", STYLES)
def test_the_first_push_to_a_registry_that_hides_is_read_back(style: str) -> None:
    with asking(Concealing(style)) as (client, repository, _):
        assert client.head(repository, "0.1") is None
        client.upload(repository, CONFIG)
        client.put(repository, "0.1", MANIFEST)
        assert client.head(repository, "0.1") == MANIFEST.descriptor
        assert client.blob(repository, MANIFEST.config.digest, 1000) == CONFIG


@pytest.mark.parametrize("style", STYLES)
def test_what_is_hidden_from_a_login_that_may_not_push_is_an_error(style: str) -> None:
    with asking(Concealing(style, pushes=False)) as (client, repository, _), pytest.raises(RegistryError) as caught:
        client.head(repository, "0.1")
    assert caught.value.status in {401, 403}


@pytest.mark.parametrize("style", STYLES)
def test_a_wrong_password_is_told_and_begins_no_upload(style: str) -> None:
    with asking(Concealing(style), Credential("me", "wrong")) as (client, repository, server):
        with pytest.raises(CredentialsError, match="refused the login of 'me'"):
            client.head(repository, "0.1")
        assert server.count("POST") == 0


@pytest.mark.parametrize("style", STYLES)
def test_no_login_is_told_and_begins_no_upload(style: str) -> None:
    with asking(Concealing(style), None) as (client, repository, server):
        with pytest.raises(CredentialsError, match="none was found for it"):
            client.head(repository, "0.1")
        assert server.count("POST") == 0


@pytest.mark.parametrize("style", STYLES)
def test_one_upload_is_begun_for_all_the_tags_of_a_repository(style: str) -> None:
    with asking(Concealing(style)) as (client, repository, server):
        tags = tuple(f"0.{number}" for number in range(10))
        assert images.look(client, {"it": (repository, tags)}) == {"it": dict.fromkeys(tags)}
        assert (server.count("POST"), server.count("DELETE")) == (1, 1)


def test_a_repository_that_is_there_is_asked_nothing_more() -> None:
    registry = Concealing("downscoped 401")
    registry.held.put(MANIFEST, "0.1")
    with asking(registry) as (client, repository, server):
        assert client.head(repository, "0.1") == MANIFEST.descriptor
        assert [one.method for one in server.asked if not one.target.startswith("/token")] == ["GET", "HEAD"]


def test_a_client_that_does_not_push_takes_a_refusal_for_one() -> None:
    with serving(Concealing("downscoped 401").answer) as server:
        client = Client(server.registry, lambda _registry, _fresh: ME)
        with pytest.raises(CredentialsError):
            client.head(Repository(server.registry, PATH), "0.1")
        assert server.count("POST") == 0
