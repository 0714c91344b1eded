"""A client of a registry that answers as a test says, and asks for no login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.reference import Repository
from tasks.registry.client import Client
from tasks.registry.http import Http
from tests.registry.server import Answer, Asked, Server, serving

PATH = "mine/ingest"


@contextmanager
def registry(answer: Callable[[Asked], Answer]) -> Iterator[tuple[Client, Repository, Server]]:
    """Serve what is asked after the question which login is wanted, which is none."""
    with serving(lambda asked: Answer() if asked.target == "/v2/" else answer(asked)) as server:
        http = Http(server.registry, sleep=lambda _: None)
        client = Client(server.registry, lambda _registry, _fresh: None, http=http)
        yield client, Repository(server.registry, PATH), server
