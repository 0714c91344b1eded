from __future__ import annotations

import pytest

from tasks.errors import RegistryError
from tasks.reference import Digest
from tasks.registry.images import inspect
from tasks.registry.model import Manifest, sha256
from tests.registry.asking import registry
from tests.registry.images import attestation, config, entry, image, index
from tests.registry.server import Answer, Asked

AMD64, ARM64 = config("linux/amd64"), config("linux/arm64")
FOR_AMD64, FOR_ARM64 = image(AMD64), image(ARM64)
ABOUT, ABOUT_ENTRY = attestation(FOR_AMD64)
INDEX = index(entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64"), ABOUT_ENTRY)
Lost = tuple[Digest, ...]

LAYER, ATTESTED = sha256(b"0"), config("unknown/unknown")
PARTS = [
    *(FOR_AMD64.digest, FOR_ARM64.digest, ABOUT.digest),
    *(sha256(AMD64), sha256(ARM64), sha256(ATTESTED), LAYER),
]


def lost_of(top: Manifest, *absent: Digest, status: int = 404) -> tuple[Lost | RegistryError, list[Asked]]:
    """Inspect a registry that has all but some parts of an image; return what is missing and what was asked."""
    manifests = {str(one.digest): one for one in (INDEX, FOR_AMD64, FOR_ARM64, ABOUT)}
    configs = {str(sha256(one)): one for one in (AMD64, ARM64, ATTESTED)}

    def answer(asked: Asked) -> Answer:
        name = asked.target.rpartition("/")[2]
        if name in map(str, absent):
            return Answer(status)
        if (found := manifests.get(name)) is not None:
            return Answer(200, {"Content-Type": found.media_type}, found.content)
        return Answer(200, body=configs.get(name, b"")) if name in {*configs, str(LAYER)} else Answer(404)

    with registry(answer) as (client, repository, server):
        wanted = {"it": (repository, top.digest)}
        found = inspect(client, wanted, lambda _repository, _digest: None, deep=True).images["it"]
        assert found is not None
        return found if isinstance(found, RegistryError) else found.missing, server.asked


def missing(top: Manifest, *absent: Digest) -> Lost:
    found = lost_of(top, *absent)[0]
    assert not isinstance(found, RegistryError)
    return found


def test_an_image_that_is_all_there_has_lost_nothing() -> None:
    assert lost_of(INDEX)[0] == ()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.short)
def test_a_part_of_an_index_that_is_not_there_is_named(part: Digest) -> None:
    assert part in missing(INDEX, part)


@pytest.mark.parametrize("part", [sha256(AMD64), LAYER], ids=lambda part: part.short)
def test_a_part_of_a_single_image_that_is_not_there_is_named(part: Digest) -> None:
    assert lost_of(FOR_AMD64, part)[0] == (part,)


def test_no_layer_is_read() -> None:
    asked = lost_of(INDEX)[1]
    assert {one.method for one in asked if str(LAYER) in one.target} == {"HEAD"}


def test_a_part_is_asked_for_once() -> None:
    asked = [one.target for one in lost_of(INDEX)[1]]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("status", [429, 500, 501])
def test_a_registry_that_fails_is_a_fault_and_not_a_loss(status: int) -> None:
    assert isinstance(lost_of(INDEX, LAYER, status=status)[0], RegistryError)


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_registry_that_refuses_to_say_has_lost_nothing(status: int) -> None:
    assert lost_of(INDEX, LAYER, status=status)[0] == ()
