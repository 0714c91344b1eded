from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.errors import CredentialsError, RegistryError, SettingsError
from tasks.reference import Digest, Repository
from tasks.registry.client import IMMUTABLE, Client
from tasks.registry.model import DOCKER_LIST, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, sha256
from tests.registry.asking import registry
from tests.registry.images import config, encoded, image, index
from tests.registry.server import Answer, Asked, serving

MANIFEST = image(config())
OTHER = sha256(b"something else")
FOUND = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(MANIFEST.digest)}


def manifest_answer(**headers: str) -> Callable[[Asked], Answer]:
    return lambda _: Answer(
        200, {**FOUND, **{name.replace("_", "-"): text for name, text in headers.items()}}, MANIFEST.content
    )


# HEAD


def test_a_tag_that_is_there_is_described_by_one_request() -> None:
    with registry(manifest_answer()) as (client, repository, server):
        assert client.head(repository, "0.1") == MANIFEST.descriptor
        assert [(one.method, one.target) for one in server.asked[1:]] == [("HEAD", "/v2/mine/ingest/manifests/0.1")]


def test_every_kind_of_manifest_is_accepted_in_one_header() -> None:
    with registry(manifest_answer()) as (client, repository, server):
        client.head(repository, "0.1")
        assert set(server.asked[1].headers["accept"].split(", ")) == MANIFEST_TYPES


def test_a_tag_that_is_not_there_is_none() -> None:
    with registry(lambda _: Answer(404)) as (client, repository, server):
        assert client.head(repository, "0.1") is None
        assert server.count() == 2


@pytest.mark.parametrize("digest", ["", "sha512:" + "0" * 128, "sha256:short"])
def test_a_registry_that_does_not_say_the_digest_is_asked_for_the_bytes(digest: str) -> None:
    with registry(manifest_answer(Docker_Content_Digest=digest)) as (client, repository, server):
        assert client.head(repository, "0.1") == MANIFEST.descriptor
        assert [one.method for one in server.asked[1:]] == ["HEAD", "GET"]


def test_a_head_that_is_refused_is_asked_again_for_its_reason() -> None:
    def answer(_: Asked) -> Answer:
        return Answer(403, body=b'{"errors": [{"code": "DENIED", "message": "no ecr:BatchGetImage"}]}')

    with (
        registry(answer) as (client, repository, _),
        pytest.raises(RegistryError, match="no ecr:BatchGetImage") as caught,
    ):
        client.head(repository, "0.1")
    assert (caught.value.status, caught.value.code) == (403, "DENIED")


def test_a_registry_without_head_is_asked_by_get() -> None:
    with registry(lambda asked: Answer(405) if asked.method == "HEAD" else manifest_answer()(asked)) as (
        client,
        repository,
        _,
    ):
        assert client.head(repository, "0.1") == MANIFEST.descriptor


def test_a_registry_that_fails_for_long_is_an_error_and_not_an_absence() -> None:
    with registry(lambda _: Answer(500)) as (client, repository, server):
        with pytest.raises(RegistryError) as caught:
            client.head(repository, "0.1")
        assert server.count("GET", "/v2/mine") == 0
    assert caught.value.temporary


def test_a_head_of_a_digest_must_be_of_that_digest() -> None:
    with registry(manifest_answer()) as (client, repository, _), pytest.raises(RegistryError, match="instead of"):
        client.head(repository, OTHER)


def test_a_manifest_of_a_kind_that_we_do_not_know_is_described_as_such() -> None:
    ancient = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    with registry(manifest_answer(Content_Type=ancient)) as (client, repository, _):
        expected = Descriptor(ancient, MANIFEST.digest, len(MANIFEST.content))
        assert client.head(repository, "0.1") == expected


# GET


def test_a_manifest_is_read_byte_for_byte() -> None:
    with registry(manifest_answer()) as (client, repository, _):
        assert client.manifest(repository, "0.1") == MANIFEST
        assert client.manifest(repository, MANIFEST.digest) == MANIFEST
        assert client.manifest(repository, str(MANIFEST.digest)) == MANIFEST


def test_a_manifest_that_is_not_there_is_none() -> None:
    with registry(lambda _: Answer(404)) as (client, repository, _):
        assert client.manifest(repository, OTHER) is None


def test_other_bytes_than_the_digest_that_was_asked_for_are_refused() -> None:
    with (
        registry(manifest_answer(Docker_Content_Digest=str(OTHER))) as (client, repository, _),
        pytest.raises(RegistryError, match=f"returned {MANIFEST.digest} instead of {OTHER}"),
    ):
        client.manifest(repository, OTHER)


def test_other_bytes_than_the_registry_says_are_refused() -> None:
    with (
        registry(manifest_answer(Docker_Content_Digest=str(OTHER))) as (client, repository, _),
        pytest.raises(RegistryError, match=f"returned {MANIFEST.digest} instead of {OTHER}"),
    ):
        client.manifest(repository, "0.1")


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "", DOCKER_LIST])
def test_an_answer_that_is_no_manifest_of_its_kind_is_refused(content_type: str) -> None:
    with registry(manifest_answer(Content_Type=content_type)) as (client, repository, _), pytest.raises(RegistryError):
        client.manifest(repository, "0.1")


@pytest.mark.parametrize("reference", ["../../_catalog", "a/b", "", "-x", "a?b", "tag@sha256:1", " "])
def test_a_reference_cannot_climb_out_of_its_path(reference: str) -> None:
    with registry(manifest_answer()) as (client, repository, server):
        with pytest.raises((SettingsError, ValueError)):
            client.manifest(repository, reference)
        assert server.count() == 0


# PUT


def test_a_manifest_is_put_byte_for_byte_under_its_media_type() -> None:
    with registry(lambda _: Answer(201, {"Docker-Content-Digest": str(MANIFEST.digest)})) as (
        client,
        repository,
        server,
    ):
        assert client.put(repository, "0.1", MANIFEST) == MANIFEST.digest
        put = server.asked[1]
    assert (put.method, put.target, put.body) == ("PUT", "/v2/mine/ingest/manifests/0.1", MANIFEST.content)
    assert put.headers["content-type"] == OCI_MANIFEST


def test_a_registry_that_took_other_bytes_is_an_error() -> None:
    with (
        registry(lambda _: Answer(201, {"Docker-Content-Digest": str(OTHER)})) as (client, repository, _),
        pytest.raises(RegistryError, match=f"returned {OTHER} instead of {MANIFEST.digest}"),
    ):
        client.put(repository, "0.1", MANIFEST)


def test_an_immutable_tag_says_what_can_be_done() -> None:
    words = "The image tag '0.1' already exists and cannot be overwritten because the tag is immutable."
    body = encoded({"errors": [{"code": "TAG_INVALID", "message": words}]})
    with (
        registry(lambda _: Answer(400, body=body)) as (client, repository, _),
        pytest.raises(RegistryError, match="because the tag is immutable") as caught,
    ):
        client.put(repository, "0.1", MANIFEST)
    assert "version=" in caught.value.next_step


def keeping(held: Digest) -> Callable[[Asked], Answer]:
    """A registry in which the tag is on `held` and cannot be moved, as ECR says it."""
    words = "The image tag '0.1' already exists and cannot be overwritten because the tag is immutable."
    no = Answer(400, body=encoded({"errors": [{"code": "TAG_INVALID", "message": words}]}))
    head = Answer(200, {"Docker-Content-Digest": str(held), "Content-Type": MANIFEST.media_type})
    return lambda asked: no if asked.method == "PUT" else head


def test_an_immutable_tag_that_is_on_this_manifest_already_is_success() -> None:
    with registry(keeping(MANIFEST.digest)) as (client, repository, _):
        assert client.put(repository, "0.1", MANIFEST) == MANIFEST.digest


def test_an_immutable_tag_that_is_on_another_names_both() -> None:
    with registry(keeping(OTHER)) as (client, repository, _), pytest.raises(RegistryError) as caught:
        client.put(repository, "0.1", MANIFEST)
    assert f"points to {OTHER} and cannot be moved to {MANIFEST.digest}" in str(caught.value)
    assert caught.value.code == IMMUTABLE


KEPT = {
    "nexus": (400, {"code": "BLOB_UPLOAD_INVALID", "detail": "Repository does not allow updating assets: docker"}),
    "artifactory": (403, {"code": "DENIED", "message": "Not enough permissions to delete/overwrite artifact"}),
    "gitlab": (403, {"code": "DENIED", "message": "tag is immutable"}),
    "harbor": (412, {"code": "PRECONDITION", "message": "configured as such"}),
}


@pytest.mark.parametrize("kind", KEPT)
@pytest.mark.parametrize("held", [MANIFEST.digest, OTHER], ids=["this", "another"])
def test_a_kept_tag_is_known_however_the_registry_says_it(kind: str, held: Digest) -> None:
    status, error = KEPT[kind]
    no = Answer(status, body=encoded({"errors": [error]}))
    head = Answer(200, {"Docker-Content-Digest": str(held), "Content-Type": MANIFEST.media_type})
    with registry(lambda asked: no if asked.method == "PUT" else head) as (client, repository, _):
        if held == MANIFEST.digest:
            assert client.put(repository, "0.1", MANIFEST) == held
        else:
            with pytest.raises(RegistryError) as caught:
                client.put(repository, "0.1", MANIFEST)
            assert caught.value.code == IMMUTABLE


@pytest.mark.parametrize("status", [202, 204, 400, 403, 404])
def test_anything_but_created_is_an_error(status: int) -> None:
    with registry(lambda _: Answer(status)) as (client, repository, _), pytest.raises(RegistryError):
        client.put(repository, "0.1", MANIFEST)


def test_a_put_is_repeated_while_the_registry_is_busy() -> None:
    seen: list[Asked] = []

    def answer(asked: Asked) -> Answer:
        seen.append(asked)
        return Answer(429) if len(seen) < 3 else Answer(201)

    with registry(answer) as (client, repository, _):
        assert client.put(repository, "0.1", MANIFEST) == MANIFEST.digest
    assert {one.body for one in seen} == {MANIFEST.content}


def test_a_registry_that_wants_a_login_nobody_has_is_an_error_of_credentials() -> None:
    with serving(lambda _: Answer(401, {"WWW-Authenticate": "Basic"})) as server:
        client = Client(server.registry, lambda _registry, _fresh: None)
        with pytest.raises(CredentialsError):
            client.head(Repository(server.registry, "a"), "b")


def test_a_manifest_is_checked_before_it_is_returned() -> None:
    hollow = Manifest(OCI_MANIFEST, b'{"schemaVersion": 1}')
    with (
        registry(lambda _: Answer(200, {"Content-Type": OCI_MANIFEST}, hollow.content)) as (client, repository, _),
        pytest.raises(RegistryError, match="schemaVersion"),
    ):
        client.manifest(repository, hollow.digest)


# Referrers

INDEX = index()


def test_the_referrers_api_is_asked_for_one_type() -> None:
    with registry(lambda _: Answer(200, {"Content-Type": OCI_INDEX}, INDEX.content)) as (client, repository, server):
        assert client.referrers(repository, OTHER, "a/b+c") == INDEX
        assert server.asked[1].target == f"/v2/mine/ingest/referrers/{OTHER}?artifactType=a%2Fb%2Bc"


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_registry_without_the_referrers_api_is_told_from_an_empty_list(status: int) -> None:
    with registry(lambda _: Answer(status)) as (client, repository, _):
        assert client.referrers(repository, OTHER, "a/b") is None


@pytest.mark.parametrize("answer", [Answer(500), Answer(401), Answer(200, body=b"<html>"), Answer(200, body=b"[]")])
def test_any_other_answer_about_referrers_is_an_error(answer: Answer) -> None:
    with registry(lambda _: answer) as (client, repository, _), pytest.raises(RegistryError):
        client.referrers(repository, OTHER, "a/b")


@pytest.mark.parametrize("headers", [{}, {"OCI-Subject": str(OTHER)}], ids=["not listed", "listed"])
def test_whether_the_registry_lists_a_referrer_is_what_it_says(headers: dict[str, str]) -> None:
    with registry(lambda _: Answer(201, headers)) as (client, repository, server):
        assert client.put_referrer(repository, MANIFEST) is bool(headers)
        assert server.asked[1].target.endswith(str(MANIFEST.digest))
