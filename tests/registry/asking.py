"""A client of a registry that answers as a test says, and asks for no login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tasks.reference import Repository
from tasks.registry.client import Client
from tasks.registry.http import Http
from tasks.registry.model import Manifest, sha256
from tests.registry.server import Answer, Asked, Server, serving

PATH = "mine/ingest"


@contextmanager
def registry(answer: Callable[[Asked], Answer]) -> Iterator[tuple[Client, Repository, Server]]:
    """Serve what is asked after the question which login is wanted, which is none."""
    with serving(lambda asked: Answer() if asked.target == "/v2/" else answer(asked)) as server:
        http = Http(server.registry, sleep=lambda _: None)
        client = Client(server.registry, lambda _registry, _fresh: None, http=http)
        yield client, Repository(server.registry, PATH), server


def holding(*held: Manifest | bytes) -> AbstractContextManager[tuple[Client, Repository, Server]]:
    """Serve a repository that holds these manifests, configs and layers, and can only be read."""
    contents = {
        str(one.digest if isinstance(one, Manifest) else sha256(one)): (
            (one.media_type, one.content) if isinstance(one, Manifest) else ("application/octet-stream", one)
        )
        for one in held
    }

    def answer(asked: Asked) -> Answer:
        found = contents.get(asked.target.rpartition("/")[2])
        return Answer(404) if found is None else Answer(200, {"Content-Type": found[0]}, found[1])

    return registry(answer)
