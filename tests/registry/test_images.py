from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.images import Deployed, Inspection, Moment, inspect
from tasks.registry.model import Manifest, sha256
from tests.registry.asking import holding
from tests.registry.images import attestation, config, encoded, entry, image, index

BUILT = datetime(2029, 12, 31, 23, 59, 58, 123456, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
AMD64 = config("linux/amd64", created="2029-12-31T23:59:58.123456789Z")
ARM64 = config("linux/arm64", created="2030-01-01T01:00:00+01:00")
FOR_AMD64, FOR_ARM64 = image(AMD64), image(ARM64, docker=True)
ABOUT, ABOUT_ENTRY = attestation(FOR_AMD64)
INDEX = index(entry(FOR_ARM64, "linux/arm64"), entry(FOR_AMD64, "linux/amd64"), ABOUT_ENTRY)


def unknown(_repository: Repository, _digest: Digest) -> None:
    """Know of no image when it was pushed."""


def one(answers: Inspection) -> Deployed:
    found = answers.images["x"]
    assert isinstance(found, Deployed)
    return found


def size_of(manifest: Manifest) -> int:
    return len(manifest.content) + manifest.config.size + sum(layer.size for layer in manifest.layers)


def test_an_image_tells_its_platform_its_size_and_when_it_was_built() -> None:
    with holding(FOR_AMD64, AMD64) as (client, repository, _):
        found = one(inspect(client, {"x": (repository, FOR_AMD64.digest)}, unknown))
    assert found.platforms == ("linux/amd64",)
    assert found.size == size_of(FOR_AMD64)
    assert found.since == Moment(BUILT, pushed=False)


def test_an_index_tells_its_platforms_in_order_and_its_newest_build() -> None:
    with holding(INDEX, FOR_AMD64, FOR_ARM64, ABOUT, AMD64, ARM64) as (client, repository, _):
        found = one(inspect(client, {"x": (repository, INDEX.digest)}, unknown))
    assert found.platforms == ("linux/amd64", "linux/arm64")
    assert found.since == Moment(LATER, pushed=False)


def test_what_an_indexs_images_share_is_counted_once_and_attestations_are_not() -> None:
    with holding(INDEX, FOR_AMD64, FOR_ARM64, ABOUT, AMD64, ARM64) as (client, repository, _):
        found = one(inspect(client, {"x": (repository, INDEX.digest)}, unknown))
    layers = {layer.digest: layer.size for manifest in (FOR_AMD64, FOR_ARM64) for layer in manifest.layers}
    manifests = sum(len(manifest.content) for manifest in (INDEX, FOR_AMD64, FOR_ARM64))
    assert found.size == manifests + len(AMD64) + len(ARM64) + sum(layers.values())


def test_when_it_was_pushed_counts_more_than_when_it_was_built() -> None:
    with holding(FOR_AMD64, AMD64) as (client, repository, _):
        found = one(inspect(client, {"x": (repository, FOR_AMD64.digest)}, lambda _repository, _digest: LATER))
    assert found.since == Moment(LATER, pushed=True)


def test_a_login_that_may_not_ask_for_push_times_is_one_fault_and_builds_count() -> None:
    refused = RegistryError("denied")

    def ask(_repository: Repository, _digest: Digest) -> datetime | None:
        raise refused

    with holding(FOR_AMD64, AMD64) as (client, repository, _):
        answers = inspect(client, {"x": (repository, FOR_AMD64.digest)}, ask)
    assert answers.fault is refused
    assert one(answers).since == Moment(BUILT, pushed=False)


def test_a_build_that_hides_its_time_has_none() -> None:
    for created in ("1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1980-01-01T00:00:00Z", "yesterday", 7, None):
        hidden = config("linux/amd64", created=created)
        with holding(image(hidden), hidden) as (client, repository, _):
            assert one(inspect(client, {"x": (repository, image(hidden).digest)}, unknown)).since is None


def test_an_image_that_is_gone_is_none() -> None:
    with holding() as (client, repository, _):
        assert inspect(client, {"x": (repository, FOR_AMD64.digest)}, unknown).images == {"x": None}


def test_what_is_not_there_of_an_image_is_named() -> None:
    with holding(INDEX, FOR_AMD64) as (client, repository, _):
        found = one(inspect(client, {"x": (repository, INDEX.digest)}, unknown))
    assert found.missing == (FOR_ARM64.digest, sha256(AMD64))


def test_a_config_that_cannot_be_read_is_the_images_fault_alone() -> None:
    broken = image(b"[]")
    with holding(broken, b"[]", FOR_ARM64, ARM64) as (client, repository, _):
        answers = inspect(client, {"x": (repository, FOR_ARM64.digest), "broken": (repository, broken.digest)}, unknown)
    assert isinstance(answers.images["broken"], RegistryError)
    assert one(answers).platforms == ("linux/arm64",)


def test_something_malformed_is_a_fault_and_raises_nothing() -> None:
    for document in ({"config": 7}, {"config": {}, "layers": 3}):
        broken = Manifest(FOR_AMD64.media_type, encoded({"schemaVersion": 2, **document}))
        with holding(broken) as (client, repository, _):
            found = inspect(client, {"x": (repository, broken.digest)}, unknown).images["x"]
        assert isinstance(found, RegistryError)
    listing = Manifest(INDEX.media_type, encoded({"schemaVersion": 2, "manifests": [{"digest": "x"}]}))
    with holding(listing) as (client, repository, _):
        assert isinstance(inspect(client, {"x": (repository, listing.digest)}, unknown).images["x"], RegistryError)


def test_what_two_images_share_is_asked_for_once() -> None:
    with holding(FOR_AMD64, AMD64) as (client, repository, server):
        place = (repository, FOR_AMD64.digest)
        answers = inspect(client, {"x": place, "y": place}, unknown)
    assert answers.images["x"] == answers.images["y"]
    assert max(Counter(asked.target for asked in server.asked if asked.target != "/v2/").values()) == 1


def test_nothing_is_asked_about_nothing() -> None:
    with holding() as (client, _, server):
        assert inspect(client, {}, unknown) == Inspection({}, None)
    assert server.asked == []
