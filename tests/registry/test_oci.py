from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tasks.errors import CredentialsError, RegistryError, SettingsError
from tasks.reference import Digest, Repository
from tasks.registry.http import Http
from tasks.registry.model import DOCKER_LIST, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, sha256
from tasks.registry.oci import IMMUTABLE, Client
from tests.registry.images import config, encoded, image, index
from tests.registry.server import RESET, Answer, Asked, Server, serving

MANIFEST = image(config())
OTHER = sha256(b"something else")
FOUND = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(MANIFEST.digest)}


@contextmanager
def registry(answer: Callable[[Asked], Answer]) -> Iterator[tuple[Client, Repository, Server]]:
    """Serve what is asked after the question which login is wanted, which is none."""
    with serving(lambda asked: Answer() if asked.target == "/v2/" else answer(asked)) as server:
        http = Http(server.registry, sleep=lambda _: None)
        client = Client(server.registry, lambda _registry, _fresh: None, http=http)
        yield client, Repository(server.registry, "mine/ingest"), server


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
    with registry(manifest_answer()) as (client, repository, _), pytest.raises(RegistryError, match="should be"):
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
        pytest.raises(RegistryError, match=f"has {MANIFEST.digest} where {OTHER} should be"),
    ):
        client.manifest(repository, OTHER)


def test_other_bytes_than_the_registry_says_are_refused() -> None:
    with (
        registry(manifest_answer(Docker_Content_Digest=str(OTHER))) as (client, repository, _),
        pytest.raises(RegistryError, match=f"has {MANIFEST.digest} where {OTHER} should be"),
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
        pytest.raises(RegistryError, match=f"has {OTHER} where {MANIFEST.digest} should be"),
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
    assert f"it is on {OTHER} and cannot move to {MANIFEST.digest}" in str(caught.value)
    assert caught.value.code == IMMUTABLE


def test_a_login_that_may_push_leaves_no_upload_behind() -> None:
    begun = Answer(202, {"Location": "/v2/mine/ingest/blobs/uploads/1?state=x"})
    with registry(lambda _: begun) as (client, repository, server):
        client.check_push(repository)
    assert [(one.method, one.target) for one in server.asked][-1] == (
        "DELETE",
        "/v2/mine/ingest/blobs/uploads/1?state=x",
    )


@pytest.mark.parametrize("location", ["", "//elsewhere/x", "https://[", "relative"])
def test_an_upload_elsewhere_is_not_given_up_there(location: str) -> None:
    with registry(lambda _: Answer(202, {"Location": location})) as (client, repository, server):
        client.check_push(repository)
    assert server.count("DELETE") == 0


def test_a_login_that_may_not_push_is_told_so() -> None:
    no = Answer(403, body=encoded({"errors": [{"code": "DENIED", "message": "not ecr:InitiateLayerUpload"}]}))
    with (
        registry(lambda _: no) as (client, repository, _),
        pytest.raises(RegistryError, match="DENIED: not ecr:InitiateLayerUpload") as caught,
    ):
        client.check_push(repository)
    assert "to push" in caught.value.next_step


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


# Blobs


def test_a_blob_is_read_from_where_the_registry_keeps_it() -> None:
    with (
        serving(lambda _: Answer(200, body=b"blob")) as storage,
        registry(lambda _: Answer(307, {"Location": f"{storage.url}/x?y=z"})) as (client, repository, _),
    ):
        assert client.blob(repository, sha256(b"blob"), 100) == b"blob"


def test_other_bytes_than_the_blobs_are_refused() -> None:
    with (
        registry(lambda _: Answer(200, body=b"blob")) as (client, repository, _),
        pytest.raises(RegistryError, match="should be"),
    ):
        client.blob(repository, OTHER, 100)


def test_a_blob_that_is_larger_than_it_may_be_is_refused() -> None:
    with (
        registry(lambda _: Answer(200, body=b"x" * 101)) as (client, repository, _),
        pytest.raises(RegistryError, match="larger than the 100 bytes"),
    ):
        client.blob(repository, sha256(b"x" * 101), 100)


def test_a_blob_that_is_not_there_is_an_error() -> None:
    with registry(lambda _: Answer(404)) as (client, repository, _), pytest.raises(RegistryError, match="404"):
        client.blob(repository, Digest("sha256:" + "0" * 64), 100)


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


# Uploads


def taking(location: str, answer: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    """Answer an upload: the blob is not there, the POST names `location`, and the PUT gets `answer`."""

    def say(asked: Asked) -> Answer:
        match asked.method:
            case "HEAD":
                return Answer(404)
            case "POST":
                return Answer(202, {"Location": location})
        return answer(asked)

    return say


@pytest.mark.parametrize(
    "location", ["/v2/mine/ingest/blobs/uploads/1", "/v2/mine/ingest/blobs/uploads/1?_state=a%2Fb"]
)
def test_a_blob_is_put_to_the_place_that_the_registry_names(location: str) -> None:
    with registry(taking(location, lambda _: Answer(201))) as (client, repository, server):
        assert client.upload(repository, b"blob") == sha256(b"blob")
        asked = [(one.method, one.target, one.body) for one in server.asked[1:]]
    mark = "&" if "?" in location else "?"
    assert asked == [
        ("HEAD", f"/v2/mine/ingest/blobs/{sha256(b'blob')}", b""),
        ("POST", "/v2/mine/ingest/blobs/uploads/", b""),
        ("PUT", f"{location}{mark}digest={str(sha256(b'blob')).replace(':', '%3A')}", b"blob"),
    ]


def test_a_blob_that_is_there_is_not_sent_again() -> None:
    with registry(lambda _: Answer(200)) as (client, repository, server):
        assert client.upload(repository, b"blob") == sha256(b"blob")
        assert [one.method for one in server.asked[1:]] == ["HEAD"]


def test_a_redirect_says_that_a_blob_is_there() -> None:
    with registry(lambda _: Answer(307, {"Location": "https://elsewhere.example/"})) as (client, repository, _):
        assert client.has_blob(repository, OTHER)


@pytest.mark.parametrize("location", ["https://elsewhere.example/x", "//elsewhere.example/x", "", "x", "http://[/x"])
def test_a_blob_and_the_login_go_to_no_other_host(location: str) -> None:
    with registry(taking(location, lambda _: Answer(201))) as (client, repository, server):
        with pytest.raises(RegistryError, match="is not its own"):
            client.upload(repository, b"blob")
        assert server.count("PUT") == 0


def test_a_place_is_named_by_the_registrys_own_url_too() -> None:
    server: list[Server] = []

    def answer(asked: Asked) -> Answer:
        return taking(f"{server[0].url}/v2/mine/ingest/blobs/uploads/1", lambda _: Answer(201))(asked)

    with registry(answer) as (client, repository, running):
        server.append(running)
        assert client.upload(repository, b"blob") == sha256(b"blob")


@pytest.mark.parametrize("refusing", ["POST", "PUT"])
def test_a_blob_that_the_registry_does_not_take_is_an_error(refusing: str) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(403) if asked.method == refusing else taking("/up", lambda _: Answer(201))(asked)

    with registry(answer) as (client, repository, _), pytest.raises(RegistryError, match="403"):
        client.upload(repository, b"blob")


def test_an_upload_whose_answer_was_lost_is_found_to_be_there() -> None:
    put: list[Asked] = []

    def lost(asked: Asked) -> Answer:
        put.append(asked)
        return RESET if len(put) == 1 else Answer(404)

    def answer(asked: Asked) -> Answer:
        return Answer(200) if asked.method == "HEAD" and put else taking("/up", lost)(asked)

    with registry(answer) as (client, repository, _):
        assert client.upload(repository, b"blob") == sha256(b"blob")
    assert len(put) == 2


# Referrers

INDEX = index()


def test_the_referrers_api_is_asked_for_one_type() -> None:
    with registry(lambda _: Answer(200, {"Content-Type": OCI_INDEX}, INDEX.content)) as (client, repository, server):
        assert client.referrers(repository, OTHER, "a/b+c") == INDEX
        assert server.asked[1].target == f"/v2/mine/ingest/referrers/{OTHER}?artifactType=a%2Fb%2Bc"


def test_a_registry_without_the_referrers_api_is_told_from_an_empty_list() -> None:
    with registry(lambda _: Answer(404)) as (client, repository, _):
        assert client.referrers(repository, OTHER, "a/b") is None


@pytest.mark.parametrize("answer", [Answer(500), Answer(403), Answer(200, body=b"<html>"), Answer(200, body=b"[]")])
def test_any_other_answer_about_referrers_is_an_error(answer: Answer) -> None:
    with registry(lambda _: answer) as (client, repository, _), pytest.raises(RegistryError):
        client.referrers(repository, OTHER, "a/b")


@pytest.mark.parametrize("headers", [{}, {"OCI-Subject": str(OTHER)}], ids=["not listed", "listed"])
def test_whether_the_registry_lists_a_referrer_is_what_it_says(headers: dict[str, str]) -> None:
    with registry(lambda _: Answer(201, headers)) as (client, repository, server):
        assert client.put_referrer(repository, MANIFEST) is bool(headers)
        assert server.asked[1].target.endswith(str(MANIFEST.digest))
