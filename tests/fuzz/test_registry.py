"""What registries, token servers and AWS answer."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.engine import credentials, nodes
from tasks.engine.credentials import CredentialHelper
from tasks.engine.progress import Reader
from tasks.model import Image, Kind
from tasks.reference import Digest, Registry, Repository
from tasks.registry import ecr_answers, message, proof, record
from tasks.registry.client import Client
from tasks.registry.credentials import Credential, challenges, choose, parse_token
from tasks.registry.http import Http
from tasks.registry.message import Response
from tasks.registry.model import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, sha256
from tests.fuzz.cases import JSON, fuzz, mutated, replaced, survives
from tests.registry.images import attestation, config, entry, image, index
from tests.registry.server import Answer, Asked, Server, serving

CONFIG = config("linux/amd64")
IMAGE_MANIFEST = image(CONFIG)
ATTESTATION, ATTESTATION_ENTRY = attestation(IMAGE_MANIFEST)
INDEX = index(entry(IMAGE_MANIFEST, "linux/amd64"), ATTESTATION_ENTRY)
TYPES = st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
DOCUMENTS = st.builds(
    lambda sample, seed, value: json.dumps(replaced(json.loads(sample), seed, value)).encode(),
    st.sampled_from([IMAGE_MANIFEST.content, INDEX.content, CONFIG]),
    st.integers(0),
    JSON,
)
DEEP = st.sampled_from([b"[" * 20_000, b'{"a":' * 20_000, b"1" * 10_000, b'{"schemaVersion":' + b"9" * 5000 + b"}"])
BODIES = (
    DOCUMENTS | mutated([IMAGE_MANIFEST.content, INDEX.content]) | JSON.map(lambda one: json.dumps(one).encode()) | DEEP
)
INGEST = Image("ingest", Kind.DEPLOYMENT, "ingest")


def answered(body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    return Response(status, headers or {}, body, "GET http://127.0.0.1/")


@fuzz
@given(media_type=TYPES, body=BODIES)
def test_manifests(media_type: str, body: bytes) -> None:
    manifest = Manifest(media_type, body)
    for part in ("json", "config", "layers", "children", "subject"):
        survives(lambda part=part: getattr(manifest, part)() if part == "json" else getattr(manifest, part))  # type: ignore[misc]


@fuzz
@given(
    header=st.text(max_size=200)
    | mutated([b'Bearer realm="https://a/b",service="c\\"",scope="d:e:f", Basic realm=x']).map(
        lambda one: one.decode("latin-1")
    )
)
def test_challenges(header: str) -> None:
    survives(lambda: choose(challenges(header), answered(b"")))


TOKEN = {"token": "abc", "expires_in": 300, "issued_at": "x"}


@fuzz
@example(body=b'{"token":"a","expires_in":1' + b"0" * 400 + b"}")
@given(
    body=st.builds(lambda seed, value: json.dumps(replaced(TOKEN, seed, value)).encode(), st.integers(0), JSON)
    | st.builds(lambda value: json.dumps({**TOKEN, "expires_in": value}).encode(), JSON)
    | st.binary(max_size=50)
    | DEEP
)
def test_token_answers(body: bytes) -> None:
    survives(lambda: parse_token(answered(body), 0.0))


DOCKER_CONFIG = {
    "auths": {"127.0.0.1:5000": {"auth": "YTpi", "identitytoken": "x"}, "https://a/v1/": {"username": "a"}},
    "credHelpers": {"b": "none"},
    "credsStore": "none",
    "HttpHeaders": {"a": "b"},
}


@fuzz
@given(
    content=st.builds(
        lambda seed, value: json.dumps(replaced(DOCKER_CONFIG, seed, value)).encode(), st.integers(0), JSON
    )
    | mutated([json.dumps(DOCKER_CONFIG).encode()])
)
def test_dockers_own_credentials(docker_config: Path, content: bytes) -> None:
    docker_config.write_bytes(content)
    survives(lambda: credentials.docker_credential(Registry("127.0.0.1:5000")))
    survives(lambda: CredentialHelper("127.0.0.1:5000", lambda _: None, os.environ).close())


@pytest.fixture(scope="module")
def docker_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where Docker's configuration is; no credential helper can be found."""
    folder = tmp_path_factory.mktemp("docker")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(folder))
        patch.setenv("PATH", "/nowhere")
        yield folder / "config.json"


AWS = {
    "authorizationData": [
        {
            "authorizationToken": "QVdTOnB3",
            "proxyEndpoint": "https://123456789012.dkr.ecr.eu-west-2.amazonaws.com",
            "expiresAt": datetime(2030, 1, 1, tzinfo=UTC),
        }
    ]
}


@fuzz
@given(seed=st.integers(0), value=JSON)
def test_ecr_tokens(seed: int, value: object) -> None:
    survives(lambda: ecr_answers.parse_token(replaced(AWS, seed, value)))


@fuzz
@given(patterns=st.lists(st.text("*ab-.", max_size=30), max_size=5), tag=st.text("ab-.", max_size=128))
def test_exclusions_of_immutable_tags(patterns: list[str], tag: str) -> None:
    ecr_answers.TagMutability("IMMUTABLE_WITH_EXCLUSION", tuple(patterns)).immutable(tag)


@fuzz
@given(body=BODIES | st.binary(max_size=200), status=st.integers(100, 999))
def test_refusals(body: bytes, status: int) -> None:
    text = str(message.refused(answered(body, status=status)))
    assert len(text) < 2000


RECORD = {
    "record": 1,
    "inputs": {
        "dockerfile": "a",
        "context": [{"path": "a", "kind": "file", "executable": False, "content": "b"}],
        "build_args": [["a", "b"]],
        "platforms": ["linux/amd64"],
        "attestations": False,
        "revision": "",
        "bases": [["a", "b"]],
        "media_types": "oci",
        "compression": "gzip",
        "scheme": 1,
    },
    "jars": {"a.jar": [["a.class"], ["0123456789ab"]]},
}


@fuzz
@given(seed=st.integers(0), value=JSON, accidents=st.none() | mutated([gzip.compress(json.dumps(RECORD).encode())]))
def test_records(seed: int, value: object, accidents: bytes | None) -> None:
    packed = gzip.compress(json.dumps(replaced(RECORD, seed, value)).encode()) if accidents is None else accidents
    survives(lambda: record.decode(packed))


STATUS = [
    {
        "ID": "sha256:" + "0" * 64,
        "vertex": "sha256:" + "1" * 64,
        "current": 1,
        "total": 2,
        "timestamp": "2024-01-01T00:00:00Z",
    }
]
PROGRESS = {
    "vertexes": [
        {"digest": "sha256:" + "1" * 64, "name": "[1/2] RUN x", "started": "2024-01-01T00:00:00.1Z", "error": "e"}
    ],
    "statuses": STATUS,
    "logs": [{"vertex": "sha256:" + "1" * 64, "stream": 1, "data": "YQ==", "timestamp": "x"}],
}


@fuzz
@given(
    lines=st.lists(
        st.builds(lambda seed, value: json.dumps(replaced(PROGRESS, seed, value)), st.integers(0), JSON)
        | st.text(max_size=60),
        max_size=5,
    )
)
def test_buildkits_progress(lines: list[str]) -> None:
    reader = Reader(lambda _: None)
    for line in lines:
        list(reader.line(line))
    list(reader.end())
    reader.finish()


INSPECTED = (
    b'Name: a\nDriver: docker\n\nNodes:\nName: a0\nEndpoint: x\nDriver Options: a="b"\nStatus: running\n'
    b"Platforms: linux/amd64*, linux/arm64\n"
)


@fuzz
@given(text=mutated([INSPECTED]).map(lambda one: one.decode(errors="replace")))
def test_what_buildx_says_of_a_builder(text: str) -> None:
    nodes.parse(text)


# A whole client against a whole server


class Scripted:
    """Answers everything in one way, which a case chooses."""

    def __init__(self) -> None:
        self.answer = Answer()

    def __call__(self, asked: Asked) -> Answer:  # noqa: ARG002  # A server's answer.
        return self.answer


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Server, Scripted]]:
    script = Scripted()
    with serving(script) as server:
        yield server, script


HEADER_VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60
) | st.sampled_from(
    [
        OCI_MANIFEST,
        OCI_INDEX,
        str(IMAGE_MANIFEST.digest),
        "-1",
        "1e3",
        "99999999999999999999",
        "https://[",
        "//a b",
        "\xa0",
        "0x10",
        "Basic",
        'Bearer realm="http://169.254.169.254/"',
        "chunked",
        "gzip",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Content-Type",
            "Docker-Content-Digest",
            "Location",
            "WWW-Authenticate",
            "Retry-After",
            "Link",
            "OCI-Subject",
            "Content-Encoding",
        ]
    ),
    HEADER_VALUES,
    max_size=4,
)
STATUSES = st.sampled_from([200, 201, 202, 204, 206, 301, 302, 307, 400, 401, 403, 404, 416, 429, 500, 503, 599, 999])


@fuzz
@given(status=STATUSES, headers=HEADERS, body=BODIES | st.binary(max_size=100), login=st.booleans())
def test_everything_that_is_asked(
    served: tuple[Server, Scripted], status: int, headers: dict[str, str], body: bytes, *, login: bool
) -> None:
    server, script = served
    server.asked.clear()
    script.answer = Answer(status, headers, body)
    credential = Credential("AWS", "secret-password") if login else None
    client = Client(
        server.registry, lambda _registry, _fresh: credential, http=Http(server.registry, sleep=lambda _: None)
    )
    repository = Repository(server.registry, "mine/ingest")
    digest: Digest = IMAGE_MANIFEST.digest
    survives(lambda: client.head(repository, "0.1"))
    survives(lambda: client.manifest(repository, "0.1"))
    survives(lambda: client.manifest(repository, digest))
    survives(lambda: client.put(repository, "0.1", IMAGE_MANIFEST))
    survives(lambda: client.blob(repository, sha256(body), 1000))
    survives(lambda: client.referrers(repository, digest, "a/b"))
    survives(lambda: client.upload(repository, b"content"))
    survives(lambda: client.check_push(repository))
    survives(lambda: record.find(client, repository, digest, "a/b"))
    survives(lambda: proof.prove(client, repository, digest, INGEST, ("linux/amd64",)))


@fuzz
@given(text=st.text(max_size=80))
def test_names(text: str) -> None:
    for make in (Registry, Repository.parse, Digest):
        survives(lambda make=make: make(text), ValueError)  # type: ignore[misc]
