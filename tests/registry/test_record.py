from __future__ import annotations

import contextlib
import gzip
import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import RegistryError
from tasks.image.difference import DIGITS, Listing
from tasks.image.fingerprint import Inputs, Item
from tasks.reference import Repository
from tasks.registry import record
from tasks.registry.client import Client
from tasks.registry.credentials import Credential
from tasks.registry.http import Http
from tasks.registry.record import ARTIFACT_TYPE, Record, attach, decode, encode, read, write
from tests.registry.asking import PATH
from tests.registry.holding import Registry, running
from tests.registry.images import config, image
from tests.registry.server import Answer, Asked, serving

TEXT = st.text(st.characters(codec=None), max_size=8)
DIGESTS = st.text("0123456789abcdef", min_size=DIGITS, max_size=DIGITS)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
INPUTS = st.builds(
    Inputs,
    dockerfile=TEXT,
    context=st.lists(st.builds(Item, TEXT, TEXT, st.booleans(), TEXT), max_size=3).map(tuple),
    build_args=PAIRS,
    platforms=st.lists(TEXT, max_size=3).map(tuple),
    attestations=st.booleans(),
    revision=TEXT,
    bases=PAIRS,
    media_types=TEXT,
    compression=TEXT,
    scheme=st.integers(),
)
LISTINGS = st.dictionaries(TEXT, st.one_of(st.integers(0), st.dictionaries(TEXT, DIGESTS, max_size=4)), max_size=3)
RECORDS = st.builds(Record, INPUTS, LISTINGS)

INGEST = Record(
    Inputs(
        "sha256:0",
        (Item("ingest.jar", "file", executable=False, content="jar-1:1"),),
        (("A", "1"),),
        ("linux/amd64",),
        attestations=False,
        revision="",
        bases=(("debian:12", ""),),
    ),
    {"ingest.jar": {"sleeper/Ingest.class": "0123456789ab"}},
)
IMAGE = image(config())


def altered(**changes: object) -> bytes:
    """A record with other parts; one of its inputs' where the name is one of theirs."""
    document = json.loads(gzip.decompress(encode(INGEST)))
    for name, value in changes.items():
        (document if name in document else document["inputs"])[name] = value
    return gzip.compress(json.dumps(document).encode())


def jar(count: int, seed: str = "a") -> dict[str, str]:
    chance = random.Random(seed)  # noqa: S311  # Variety, not secrecy.
    return {f"sleeper/{seed}/Class{number}.class": chance.randbytes(6).hex() for number in range(count)}


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(made: Record) -> None:
    assert decode(encode(made)) == made


@given(RECORDS)
def test_the_same_record_has_the_same_bytes(made: Record) -> None:
    assert encode(made) == encode(Record(made.inputs, dict(reversed(list(made.jars.items())))))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_an_error(content: bytes) -> None:
    with pytest.raises(RegistryError):
        decode(content)


@given(st.integers(0), st.integers(0, 255))
def test_a_damaged_record_is_an_error_or_a_record(place: int, value: int) -> None:
    content = bytearray(encode(INGEST))
    content[place % len(content)] = value
    with contextlib.suppress(RegistryError):
        assert isinstance(decode(bytes(content)), Record)


@given(st.integers(0, 10_000))
def test_a_record_that_ends_early_is_an_error(length: int) -> None:
    content = encode(INGEST)
    with pytest.raises(RegistryError):
        decode(content[: length % len(content)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["inputs", "jars", "dockerfile", "context", "build_args", "platforms", "bases", "scheme"]), JSON)
def test_a_part_of_another_shape_is_an_error_or_kept(name: str, value: object) -> None:
    with contextlib.suppress(RegistryError):
        assert isinstance(decode(altered(**{name: value})), Record)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"record": 2}, "format of another release"),
        ({"another": 1}, "other fields than this release"),
        ({"attestations": 0}, "attestations is of the wrong type"),
        ({"scheme": True}, "scheme is of the wrong type"),
        ({"context": [{"path": "x"}]}, "an item of its context is malformed"),
        ({"bases": [["debian:12"]]}, "a name has no value"),
        ({"jars": {"a.jar": {"names": ["x"], "digests": "0"}}}, "do not match"),
        ({"jars": {"a.jar": {"names": ["x"], "digests": "0123456789aX"}}}, "digests are not hexadecimal"),
        ({"jars": {"a.jar": {"count": -1}}}, "do not match"),
    ],
)
def test_what_a_record_cannot_be_is_said(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(RegistryError, match=reason):
        decode(altered(**changes))


def test_what_unpacks_to_too_much_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (record.TEXT_LIMIT + 1))
    assert len(bomb) < 100_000
    with pytest.raises(RegistryError, match="unpacks to more than"):
        decode(bomb)


def test_the_largest_jars_give_up_their_entries_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_ENTRIES", 10)
    jars: dict[str, Listing] = {"a.jar": jar(6), "b.jar": jar(7, "b"), "c.jar": jar(3, "c")}
    found = decode(encode(Record(INGEST.inputs, jars)))
    assert found.jars == {**jars, "b.jar": 7}


def test_a_record_never_has_more_bytes_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PACKED_LIMIT", 8_000)
    jars: dict[str, Listing] = {"a.jar": jar(600), "b.jar": jar(500, "b")}
    content = encode(Record(INGEST.inputs, jars))
    assert len(content) <= 8_000
    assert decode(content).jars == {**jars, "a.jar": 600}


def test_inputs_that_are_too_many_by_themselves_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PACKED_LIMIT", 100)
    with pytest.raises(RegistryError, match="the limit is 100"):
        encode(INGEST)


def test_as_many_entries_as_are_listed_fit() -> None:
    """With names as long as Sleeper's."""
    chance = random.Random("fit")  # noqa: S311  # As above.
    names = (
        f"org/apache/{chance.randbytes(2).hex()}/package{n % 97}/SomeRatherLongName{n}.class" for n in range(150_000)
    )
    entries = {name: chance.randbytes(6).hex() for name in names}
    content = encode(Record(INGEST.inputs, {"a.jar": entries}))
    assert decode(content).jars == {"a.jar": entries}


@pytest.mark.parametrize("referrers", [False, True])
def test_a_record_is_kept_in_the_registry_beside_its_image(referrers: bool) -> None:
    registry = Registry(referrers)
    registry.put(IMAGE)
    with running(registry) as (client, repository):
        assert read(client, repository, IMAGE.digest, INGEST.inputs) is None
        write(client, repository, IMAGE.descriptor, INGEST)
        assert read(client, repository, IMAGE.digest, INGEST.inputs) == INGEST


def test_an_artifact_of_our_type_with_another_layer_is_an_error() -> None:
    registry = Registry(referrers=True)
    registry.put(IMAGE)
    with running(registry) as (client, repository):
        attach(client, repository, IMAGE.descriptor, ARTIFACT_TYPE, ("application/vnd.example.other", b"x"))
        with pytest.raises(RegistryError, match="it must have one layer"):
            read(client, repository, IMAGE.digest, INGEST.inputs)


OTHER, THIRD = (
    replace(INGEST, inputs=replace(INGEST.inputs, dockerfile=f"sha256:{name}", revision=name)) for name in "12"
)
REGISTRIES = {
    "without the API": (False, True),
    "with the API": (True, True),
    "with the API, which it does not say": (True, False),
}


@pytest.mark.parametrize("kind", REGISTRIES)
@pytest.mark.parametrize("wanted", [INGEST, OTHER, THIRD])
def test_an_image_of_several_inputs_has_a_record_of_each(kind: str, wanted: Record) -> None:
    registry = Registry(*REGISTRIES[kind])
    with running(registry) as (client, repository):
        for made in (INGEST, OTHER, THIRD):
            write(client, repository, registry.put(IMAGE), made)
        assert read(client, repository, IMAGE.digest, wanted.inputs) == wanted


@pytest.mark.parametrize("kind", REGISTRIES)
def test_of_several_records_the_nearest_to_what_is_wanted_is_read(kind: str) -> None:
    registry = Registry(*REGISTRIES[kind])
    with running(registry) as (client, repository):
        for made in (INGEST, OTHER):
            write(client, repository, registry.put(IMAGE), made)
        edited = replace(INGEST.inputs, build_args=(("A", "2"),))
        assert read(client, repository, IMAGE.digest, edited) == INGEST


def test_a_record_of_an_earlier_release_is_read() -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        attach(client, repository, registry.put(IMAGE), ARTIFACT_TYPE, (record.LAYER_TYPE, encode(OTHER)))
        assert read(client, repository, IMAGE.digest, INGEST.inputs) == OTHER


def test_a_record_that_cannot_be_read_does_not_hide_another() -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        write(client, repository, registry.put(IMAGE), OTHER)
        attach(client, repository, IMAGE.descriptor, ARTIFACT_TYPE, (record.LAYER_TYPE, b"not gzip"))
        assert read(client, repository, IMAGE.digest, INGEST.inputs) == OTHER


@pytest.mark.parametrize("how", ["401", "as ECR does"])
@pytest.mark.parametrize("after", range(8))
def test_a_login_that_expires_between_two_requests_is_renewed(after: int, how: str) -> None:
    held, logins, sent = Registry(referrers=True), [Credential("me", "password-0")], [0]
    held.put(IMAGE)

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("authorization") != Credential("me", f"password-{int(sent[0] > after)}").basic:
            expired = how != "401" and "authorization" in asked.headers
            said = b'{"errors": [{"code": "DENIED", "message": "Your authorization token has expired."}]}'
            return Answer(403, body=said) if expired else Answer(401, {"WWW-Authenticate": "Basic"})
        sent[0] += 1
        return Answer() if asked.target == "/v2/" else held.answer(asked)

    def keychain(_: object, fresh: bool) -> Credential:
        if fresh:
            logins.append(Credential("me", f"password-{len(logins)}"))
        return logins[-1]

    with serving(answer) as server:
        client = Client(server.registry, keychain, http=Http(server.registry, sleep=lambda _: None))
        repository = Repository(server.registry, PATH)
        write(client, repository, IMAGE.descriptor, INGEST)
        assert read(client, repository, IMAGE.digest, INGEST.inputs) == INGEST
    assert len(logins) <= 2
