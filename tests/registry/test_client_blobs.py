from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.errors import RegistryError
from tasks.reference import Digest
from tasks.registry.model import sha256
from tests.registry.asking import registry
from tests.registry.images import encoded
from tests.registry.server import RESET, Answer, Asked, Server, serving

OTHER = sha256(b"something else")


def test_a_blob_is_read_from_where_the_registry_keeps_it() -> None:
    with (
        serving(lambda _: Answer(200, body=b"blob")) as storage,
        registry(lambda _: Answer(307, {"Location": f"{storage.url}/x?y=z"})) as (client, repository, _),
    ):
        assert client.blob(repository, sha256(b"blob"), 100) == b"blob"


def test_other_bytes_than_the_blobs_are_refused() -> None:
    with (
        registry(lambda _: Answer(200, body=b"blob")) as (client, repository, _),
        pytest.raises(RegistryError, match="instead of"),
    ):
        client.blob(repository, OTHER, 100)


def test_a_blob_that_is_larger_than_it_may_be_is_refused() -> None:
    with (
        registry(lambda _: Answer(200, body=b"x" * 101)) as (client, repository, _),
        pytest.raises(RegistryError, match="larger than the limit of 100 bytes"),
    ):
        client.blob(repository, sha256(b"x" * 101), 100)


def test_a_blob_that_does_not_exist_is_none() -> None:
    with registry(lambda _: Answer(404)) as (client, repository, _):
        assert client.blob(repository, Digest("sha256:" + "0" * 64), 100) is None


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
        with pytest.raises(RegistryError, match="is on another host"):
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


# Whether one may push


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
    assert "push to the repository" in caught.value.next_step
