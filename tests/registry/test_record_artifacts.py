from __future__ import annotations

from typing import Any

import pytest

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry import record
from tasks.registry.client import Client
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, Manifest
from tasks.registry.record import EMPTY_TYPE, MOST_READ, attach, referrers_tag
from tests.registry import asking
from tests.registry.holding import Registry, running
from tests.registry.images import config, described_as, encoded, entry, image, index
from tests.registry.server import Answer

IMAGE = image(config())
KIND, LAYER = "application/vnd.example.kind.v1", ("application/vnd.example.layer", b"content")
TAG = referrers_tag(IMAGE.digest)

REGISTRIES: dict[str, dict[str, Any]] = {
    "without the API": {},
    "400 for the API": {"no_api": 400},
    "403 for the API": {"no_api": 403},
    "405 for the API": {"no_api": 405},
    "with the API": {"referrers": True},
    "with the API, which it does not say": {"referrers": True, "says_so": False},
}


@pytest.fixture(params=REGISTRIES)
def registry(request: pytest.FixtureRequest) -> Registry:
    found = Registry(**REGISTRIES[request.param])
    found.put(IMAGE, "0.1")
    return found


def find(client: Client, repository: Repository, subject: Digest, kind: str) -> Manifest | None:
    """Read the artifact that comes first."""
    return next(record.find(client, repository, subject, kind), None)


def listed(registry: Registry) -> list[str]:
    """What the tag lists."""
    return [child["digest"] for child in registry.manifests[TAG].json()["manifests"]]


def test_the_tag_is_the_specifications() -> None:
    assert referrers_tag(IMAGE.digest) == f"sha256-{str(IMAGE.digest).removeprefix('sha256:')}"


def test_what_is_attached_is_found(registry: Registry) -> None:
    with running(registry) as (client, repository):
        digest = attach(client, repository, IMAGE.descriptor, KIND, LAYER)
        found = find(client, repository, IMAGE.digest, KIND)
    assert found is not None
    assert found.digest == digest
    assert [registry.blobs[str(layer.digest)] for layer in found.layers] == [LAYER[1]]


def test_the_image_stays_as_it_is(registry: Registry) -> None:
    before = dict(registry.manifests)
    with running(registry) as (client, repository):
        attach(client, repository, IMAGE.descriptor, KIND, LAYER)
    assert {name: registry.manifests[name] for name in before} == before


def test_a_tag_is_put_only_where_there_is_no_api(registry: Registry) -> None:
    with running(registry) as (client, repository):
        attach(client, repository, IMAGE.descriptor, KIND, LAYER)
    assert (TAG in registry.manifests) is not registry.referrers


def test_the_artifact_is_as_the_image_specification_has_it() -> None:
    registry = Registry(referrers=True)
    with running(registry) as (client, repository):
        digest = attach(client, repository, IMAGE.descriptor, KIND, LAYER)
    assert registry.manifests[str(digest)].json() == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": KIND,
        "config": described_as(EMPTY_TYPE, b"{}"),
        "layers": [described_as(*LAYER)],
        "subject": described_as(IMAGE.media_type, IMAGE.content),
    }


def test_the_same_artifact_twice_is_one(registry: Registry) -> None:
    with running(registry) as (client, repository):
        assert attach(client, repository, IMAGE.descriptor, KIND, LAYER) == attach(
            client, repository, IMAGE.descriptor, KIND, LAYER
        )
    if TAG in registry.manifests:
        assert len(listed(registry)) == 1


def test_what_others_have_listed_stays() -> None:
    registry = Registry()
    signature = image(config(), artifactType="application/vnd.example.signature")
    theirs = {**entry(signature, "linux/amd64"), "artifactType": "application/vnd.example.signature", "data": "e30="}
    registry.put(index(theirs, annotations={"kept": "yes"}), TAG)
    with running(registry) as (client, repository):
        digest = attach(client, repository, IMAGE.descriptor, KIND, LAYER)
    document = registry.manifests[TAG].json()
    assert document["annotations"] == {"kept": "yes"}
    assert document["manifests"][0] == theirs
    assert listed(registry) == [str(signature.digest), str(digest)]


def test_of_several_the_last_is_found(registry: Registry) -> None:
    with running(registry) as (client, repository):
        attach(client, repository, IMAGE.descriptor, KIND, LAYER)
        second = attach(client, repository, IMAGE.descriptor, KIND, (LAYER[0], b"later"))
        found = find(client, repository, IMAGE.digest, KIND)
    assert found is not None
    assert found.digest == second


def test_those_with_the_wanted_annotations_come_first(registry: Registry) -> None:
    with running(registry) as (client, repository):
        digests = [
            attach(client, repository, IMAGE.descriptor, KIND, (LAYER[0], text.encode()), annotations={"of": text})
            for text in ("one", "two", "three")
        ]
        found = list(record.find(client, repository, IMAGE.digest, KIND, {"of": "one"}))
    assert [one.digest for one in found] == [digests[0], digests[2], digests[1]]


def test_one_with_the_same_annotations_takes_its_place_in_our_list() -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        digests = [
            attach(client, repository, IMAGE.descriptor, KIND, (LAYER[0], content), annotations={"of": of})
            for content, of in ((b"a", "one"), (b"b", "two"), (b"c", "one"))
        ]
    assert listed(registry) == [str(digests[1]), str(digests[2])]


def test_another_kind_is_not_found(registry: Registry) -> None:
    with running(registry) as (client, repository):
        attach(client, repository, IMAGE.descriptor, "application/vnd.example.other", LAYER)
        assert find(client, repository, IMAGE.digest, KIND) is None


def test_an_image_without_any_has_none(registry: Registry) -> None:
    with running(registry) as (client, repository):
        assert find(client, repository, IMAGE.digest, KIND) is None


def listing(*manifests: Manifest) -> Manifest:
    return index(*({**described_as(one.media_type, one.content), "artifactType": KIND} for one in manifests))


def test_an_artifact_about_another_image_is_none() -> None:
    registry = Registry()
    other = image(config("linux/arm64"))
    foreign = image(b"{}", artifactType=KIND, subject=described_as(other.media_type, other.content))
    registry.put(foreign)
    registry.put(listing(foreign), TAG)
    with running(registry) as (client, repository):
        assert find(client, repository, IMAGE.digest, KIND) is None


def test_a_list_of_thousands_is_not_read_to_its_end() -> None:
    registry = Registry()
    foreign = image(b"{}", artifactType=KIND)
    registry.put(foreign)
    registry.put(listing(*[foreign] * 1000), TAG)
    with running(registry) as (client, repository):
        assert find(client, repository, IMAGE.digest, KIND) is None
    assert sum(str(foreign.digest) in asked.target for asked in registry.asked) == MOST_READ


def test_a_registry_that_takes_the_tag_for_the_digest_is_an_error_and_loses_no_image() -> None:
    """As GitLab's does: the subject itself is under the tag."""
    registry = Registry()
    subject = index(entry(IMAGE, "linux/amd64"))
    tag = referrers_tag(subject.digest)
    registry.put(subject, tag)
    with running(registry) as (client, repository):
        for asking in (
            lambda: find(client, repository, subject.digest, KIND),
            lambda: attach(client, repository, subject.descriptor, KIND, LAYER),
        ):
            with pytest.raises(RegistryError, match="is not a list of the artifacts of"):
                asking()
    assert registry.manifests[tag] == subject


@pytest.mark.parametrize(
    "content",
    [{"manifests": "none"}, {"manifests": [1, None, {}]}, {"manifests": [{"artifactType": 7}]}, {}],
)
def test_a_malformed_list_holds_nothing(content: dict[str, object]) -> None:
    registry = Registry()
    registry.put(Manifest(OCI_INDEX, encoded({"schemaVersion": 2, **content})), TAG)
    with running(registry) as (client, repository):
        assert find(client, repository, IMAGE.digest, KIND) is None


def test_an_entry_without_a_digest_is_an_error() -> None:
    registry = Registry()
    registry.put(Manifest(OCI_INDEX, encoded({"schemaVersion": 2, "manifests": [{"artifactType": KIND}]})), TAG)
    with running(registry) as (client, repository), pytest.raises(RegistryError, match="media type"):
        find(client, repository, IMAGE.digest, KIND)


def test_a_login_that_may_not_pull_is_refused_at_the_tag_too() -> None:
    """A 403 to the referrers API counts as a registry without the API; one about rights does not stop there."""
    refused = pytest.raises(RegistryError, match=f"manifests/{TAG}: the registry answered 403")
    with asking.registry(lambda _: Answer(403)) as (client, repository, _), refused:
        find(client, repository, IMAGE.digest, KIND)
