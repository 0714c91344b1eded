from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Registry, Repository
from tasks.registry import images
from tasks.registry.client import Client
from tasks.registry.credentials import Credential
from tasks.registry.http import Http
from tasks.registry.model import OCI_MANIFEST, Descriptor, sha256
from tasks.system.backoff import Budget
from tests.registry.server import RESET, Answer, Asked, Server, serving

HELD = Descriptor(OCI_MANIFEST, sha256(b"held"), 4)
THERE = Answer(
    200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(HELD.digest), "Content-Length": str(HELD.size)}
)


@contextmanager
def registry(answer: Callable[[Asked], Answer]) -> Iterator[tuple[Client, Server]]:
    with serving(lambda asked: Answer() if asked.target == "/v2/" else answer(asked)) as server:
        http = Http(server.registry, sleep=lambda _: None, budget=Budget(attempts=2))
        yield Client(server.registry, lambda _registry, _fresh: None, http=http), server


def wanted(registry: Registry, images: int) -> dict[str, tuple[Repository, tuple[str, ...]]]:
    return {f"image-{number}": (Repository(registry, f"mine/image-{number}"), ("a", "b")) for number in range(images)}


def test_each_tag_of_each_image_has_its_own_answer() -> None:
    def answer(asked: Asked) -> Answer:
        return THERE if asked.target.endswith(("image-0/manifests/a", "image-1/manifests/b")) else Answer(404)

    with registry(answer) as (client, server):
        found = images.look(client, wanted(server.registry, 2))
    assert found == {"image-0": {"a": HELD, "b": None}, "image-1": {"a": None, "b": HELD}}


def test_nothing_wanted_asks_nothing() -> None:
    with registry(lambda _: THERE) as (client, server):
        assert images.look(client, {}) == {}
        assert images.look(client, {"image": (Repository(server.registry, "a"), ())}) == {"image": {}}
        assert server.count() == 0


def test_all_tags_of_twenty_images_are_asked_for_at_once() -> None:
    together = threading.Barrier(40)

    def answer(_: Asked) -> Answer:
        together.wait(10)
        return THERE

    with registry(answer) as (client, server):
        found = images.look(client, wanted(server.registry, 20))
        assert server.count("HEAD") == 40
    assert all(tags == {"a": HELD, "b": HELD} for tags in found.values())


def test_a_fault_of_one_tag_is_its_answer_and_no_others() -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(403) if asked.target.endswith("image-1/manifests/a") else THERE

    with registry(answer) as (client, server):
        found = images.look(client, wanted(server.registry, 2))
    refused = found["image-1"].pop("a")
    assert isinstance(refused, RegistryError)
    assert refused.status == 403
    assert found == {"image-0": {"a": HELD, "b": HELD}, "image-1": {"b": HELD}}


def test_a_registry_that_is_gone_is_not_asked_for_every_image() -> None:
    with registry(lambda _: RESET) as (client, server):
        found = images.look(client, wanted(server.registry, 200))
        # Each of the workers may have begun one question, of two attempts, when the first was given up.
        assert server.count("HEAD") <= 2 * images.WORKERS
    assert len(found) == 200
    assert all(isinstance(answer, RegistryError) for tags in found.values() for answer in tags.values())


def test_a_keychain_that_fails_is_the_answer_for_every_tag() -> None:
    def keychain(registry: Registry, fresh: bool) -> Credential | None:  # noqa: ARG001  # A Keychain.
        raise CredentialsError("there is no AWS login", "log in")

    with serving(lambda _: Answer(401, {"WWW-Authenticate": "Basic"})) as server:
        found = images.look(Client(server.registry, keychain), wanted(server.registry, 3))
    assert all(isinstance(answer, CredentialsError) for tags in found.values() for answer in tags.values())
