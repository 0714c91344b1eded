from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tasks.errors import ProofError, RegistryError
from tasks.model import Image, Kind
from tasks.reference import Digest, Repository
from tasks.registry import proof
from tasks.registry.client import Client
from tasks.registry.model import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    IMAGE_TYPES,
    INDEX_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    sha256,
)
from tests.registry import asking
from tests.registry.images import (
    DOCKER_LAYER,
    OCI_LAYER,
    attestation,
    config,
    described_as,
    encoded,
    entry,
    image,
    index,
)
from tests.registry.server import Answer, Asked, serving

BOTH = ("linux/amd64", "linux/arm64")
INGEST = Image("ingest", Kind.DEPLOYMENT, "ingest")
COMPACTION = Image("compaction", Kind.DEPLOYMENT, "compaction", platforms=BOTH)
QUERY = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
ATTESTED = replace(INGEST, attestations=True)

AMD64, ARM64 = config("linux/amd64"), config("linux/arm64")
FOR_AMD64, FOR_ARM64 = image(AMD64), image(ARM64)
INDEX = index(entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64"))
LAYERS = tuple(str(number).encode() for number in range(5))
ABOUT_AMD64, ABOUT_AMD64_ENTRY = attestation(FOR_AMD64)


@contextmanager
def holding(
    *manifests: Manifest, blobs: tuple[bytes, ...] = (AMD64, ARM64), layers: tuple[bytes, ...] = LAYERS
) -> Iterator[tuple[Client, Repository]]:
    """Serve a repository that holds these manifests, configs and layers."""
    with asking.holding(*manifests, *blobs, *layers) as (client, repository, _):
        yield client, repository


def proved(of: Image, *manifests: Manifest, platforms: tuple[str, ...] = ()) -> Manifest:
    """Prove the first of the manifests that a registry holds."""
    with holding(*manifests) as (client, repository):
        asked = platforms or of.platforms or ("linux/amd64",)
        return proof.prove(client, repository, manifests[0].digest, of, asked).manifest


# By media type alone


@pytest.mark.parametrize("name", sorted(IMAGE_TYPES | INDEX_TYPES))
@pytest.mark.parametrize(("of", "wants_index"), [(INGEST, False), (QUERY, False), (COMPACTION, True), (ATTESTED, True)])
def test_an_index_fits_an_image_of_several_manifests_and_nothing_else(
    of: Image, name: str, *, wants_index: bool
) -> None:
    held = Descriptor(name, FOR_AMD64.digest, 1)
    assert proof.kind_fits(held, of) is ((name in INDEX_TYPES) is wants_index)


@pytest.mark.parametrize("of", [INGEST, QUERY, COMPACTION])
def test_an_unknown_kind_of_manifest_fits_no_image(of: Image) -> None:
    name = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    assert not proof.kind_fits(Descriptor(name, FOR_AMD64.digest, 1), of)


def test_an_image_of_one_platform_of_its_own_is_no_index() -> None:
    alone = replace(COMPACTION, platforms=("linux/arm64",))
    assert proof.kind_fits(FOR_ARM64.descriptor, alone)
    assert not proof.kind_fits(INDEX.descriptor, alone)


def test_lambda_never_gets_an_index() -> None:
    assert not proof.kind_fits(INDEX.descriptor, replace(QUERY, attestations=True))
    assert not proof.kind_fits(INDEX.descriptor, replace(QUERY, platforms=BOTH))


# What is what it must be


@pytest.mark.parametrize("of", [INGEST, QUERY])
def test_a_single_image_of_the_right_platform_is_proved(of: Image) -> None:
    assert proved(of, FOR_AMD64) == FOR_AMD64


@pytest.mark.parametrize("of", [INGEST, QUERY])
def test_dockers_media_types_are_as_good(of: Image) -> None:
    docker = image(AMD64, [DOCKER_LAYER], docker=True)
    assert proved(of, docker).media_type == DOCKER_MANIFEST


def test_a_single_image_is_judged_by_the_platform_that_was_asked_for() -> None:
    assert proved(INGEST, FOR_ARM64, platforms=("linux/arm64",)) == FOR_ARM64


@pytest.mark.parametrize("docker", [False, True])
def test_an_index_of_the_right_platforms_is_proved(*, docker: bool) -> None:
    made = index(entry(FOR_ARM64, "linux/arm64"), entry(FOR_AMD64, "linux/amd64"), docker=docker)
    assert proved(COMPACTION, made, FOR_AMD64, FOR_ARM64).media_type == (DOCKER_LIST if docker else OCI_INDEX)


def test_platforms_are_compared_as_containerd_reads_them() -> None:
    made = index(entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64/v8"))
    assert proved(COMPACTION, made, FOR_AMD64, FOR_ARM64) == made


def test_an_index_with_the_attestations_that_were_asked_for_is_proved() -> None:
    made = index(entry(FOR_AMD64, "linux/amd64"), ABOUT_AMD64_ENTRY)
    assert proved(ATTESTED, made, FOR_AMD64, ABOUT_AMD64) == made


def test_a_deployment_may_have_layers_that_lambda_refuses() -> None:
    assert proved(INGEST, image(AMD64, ["application/vnd.oci.image.layer.v1.tar+zstd"]))


# What is not


def refused(of: Image, *manifests: Manifest, platforms: tuple[str, ...] = ()) -> str:
    with pytest.raises(ProofError) as caught:
        proved(of, *manifests, platforms=platforms)
    assert "nothing was tagged" in caught.value.next_step
    assert str(manifests[0].digest) in caught.value.message or len(manifests) > 1
    return caught.value.message.partition("is wrong: ")[2]


def test_an_image_of_another_platform_is_refused() -> None:
    assert refused(INGEST, FOR_ARM64) == "it is for linux/arm64, not for linux/amd64"


def test_an_image_of_another_variant_is_refused() -> None:
    content = config("linux/arm/v6")
    with holding(image(content), blobs=(content,)) as (client, repository), pytest.raises(ProofError, match="arm/v6"):
        proof.prove(client, repository, image(content).digest, INGEST, ("linux/arm/v7",))


@pytest.mark.parametrize(
    ("of", "because"), [(INGEST, "it must be for linux/amd64 alone"), (QUERY, "Lambda refuses that")]
)
def test_an_index_for_a_single_image_is_refused(of: Image, because: str) -> None:
    one = index(entry(FOR_AMD64, "linux/amd64"))
    assert refused(of, one, FOR_AMD64) == f"it is an index; {because}"


def test_an_index_is_refused_for_a_lambda_whatever_the_catalogue_asks_for() -> None:
    made = index(entry(FOR_AMD64, "linux/amd64"), ABOUT_AMD64_ENTRY)
    assert "Lambda refuses" in refused(replace(QUERY, attestations=True), made, FOR_AMD64, ABOUT_AMD64)


def test_a_single_image_for_several_platforms_is_refused() -> None:
    assert "not an index of linux/amd64, linux/arm64" in refused(COMPACTION, FOR_AMD64)


@pytest.mark.parametrize(
    ("entries", "have"),
    [
        ([], "nothing"),
        ([entry(FOR_AMD64, "linux/amd64")], "linux/amd64"),
        (
            [*[entry(FOR_AMD64, "linux/amd64")] * 2, entry(FOR_ARM64, "linux/arm64")],
            "linux/amd64, linux/amd64, linux/arm64",
        ),
        (
            [entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64"), entry(FOR_ARM64, "linux/arm/v7")],
            "linux/amd64, linux/arm/v7, linux/arm64",
        ),
        ([entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "windows/arm64")], "linux/amd64, windows/arm64"),
        (
            [entry(FOR_AMD64, "linux/amd64"), described_as(OCI_MANIFEST, FOR_ARM64.content)],
            "linux/amd64, unknown/unknown",
        ),
    ],
)
def test_an_index_of_other_platforms_is_refused(entries: list[dict[str, object]], have: str) -> None:
    message = refused(COMPACTION, index(*entries), FOR_AMD64, FOR_ARM64)
    assert message == f"it is for {have}, not for linux/amd64, linux/arm64"


def test_an_index_that_says_another_platform_than_its_image_is_refused() -> None:
    swapped = index(entry(FOR_ARM64, "linux/amd64"), entry(FOR_AMD64, "linux/arm64"))
    assert refused(COMPACTION, swapped, FOR_AMD64, FOR_ARM64) == "its image for linux/amd64 is one for linux/arm64"


def test_attestations_that_nobody_asked_for_are_refused() -> None:
    made = index(entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64"), ABOUT_AMD64_ENTRY)
    assert "does not ask for" in refused(COMPACTION, made, FOR_AMD64, FOR_ARM64, ABOUT_AMD64)


def test_attestations_that_are_missing_are_refused() -> None:
    made = index(entry(FOR_AMD64, "linux/amd64"))
    assert "attestations" in refused(ATTESTED, made, FOR_AMD64)


def test_attestations_about_something_else_are_refused() -> None:
    _, about_another = attestation(FOR_ARM64)
    made = index(entry(FOR_AMD64, "linux/amd64"), about_another)
    assert "attestations" in refused(ATTESTED, made, FOR_AMD64)


@pytest.mark.parametrize(
    "layer",
    [
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/octet-stream",
    ],
)
def test_a_layer_that_lambda_refuses_is_refused(layer: str) -> None:
    made = image(config(layers=2), [OCI_LAYER, layer])
    with (
        holding(made, blobs=(config(layers=2),)) as (client, repository),
        pytest.raises(ProofError, match="Lambda refuses that"),
    ):
        proof.prove(client, repository, made.digest, QUERY, ("linux/amd64",))


@pytest.mark.parametrize("other", ["linux/s390x", "linux/386", "windows/amd64", "linux/arm/v7"])
def test_a_platform_that_lambda_does_not_run_is_refused_though_it_was_asked_for(other: str) -> None:
    content = config(other)
    with (
        holding(image(content), blobs=(content,)) as (client, repository),
        pytest.raises(ProofError, match=f"it is for {other}; Lambda runs"),
    ):
        proof.prove(client, repository, image(content).digest, QUERY, (other,))


def test_an_image_that_calls_itself_an_attestation_is_refused() -> None:
    passing = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(FOR_AMD64.digest),
    }
    made = index(entry(FOR_AMD64, "linux/amd64"), entry(FOR_ARM64, "linux/arm64", **passing))
    assert "it is for linux/amd64, linux/arm64" in refused(ATTESTED, made, FOR_AMD64, FOR_ARM64)


def test_an_artefact_that_is_no_image_is_refused() -> None:
    document = {
        "schemaVersion": 2,
        "layers": [],
        "config": described_as("application/vnd.cncf.helm.config.v1+json", AMD64),
    }
    assert "not an image's" in refused(INGEST, Manifest(OCI_MANIFEST, encoded(document)))


def test_a_config_with_other_layers_than_the_manifest_is_refused() -> None:
    assert "the same layers" in refused(INGEST, image(AMD64, [OCI_LAYER] * 2))


def test_a_config_without_a_platform_is_refused() -> None:
    content = encoded({"rootfs": {"diff_ids": []}})
    with (
        holding(image(content, []), blobs=(content,)) as (client, repository),
        pytest.raises(ProofError, match="unknown/unknown"),
    ):
        proof.prove(client, repository, image(content, []).digest, INGEST, ("linux/amd64",))


def test_an_index_within_an_index_is_refused() -> None:
    nested = index(entry(INDEX, "linux/amd64"), entry(FOR_ARM64, "linux/arm64"))
    assert "index within an index" in refused(COMPACTION, nested, INDEX, FOR_AMD64, FOR_ARM64)


def test_an_index_of_endless_children_is_not_read_to_its_end() -> None:
    children = [image(config(of=str(number))) for number in range(65)]
    made = index(*(entry(child, "linux/amd64") for child in children))
    with asking.holding(made, *children) as (client, repository, server):
        with pytest.raises(ProofError, match="it is an index of 65 manifests"):
            proof.prove(client, repository, made.digest, COMPACTION, BOTH)
        assert server.count("GET", "/v2/mine/ingest/manifests/") == 1 + 64


def test_what_is_not_there_is_refused() -> None:
    with holding() as (client, repository), pytest.raises(ProofError, match="is not in the registry"):
        proof.prove(client, repository, Digest("sha256:" + "0" * 64), INGEST, ("linux/amd64",))


def test_a_child_that_is_not_there_is_refused() -> None:
    with pytest.raises(ProofError, match=f"{FOR_ARM64.digest} of {INDEX.digest.short} is not in the registry"):
        proved(COMPACTION, INDEX, FOR_AMD64)


def test_a_config_that_is_not_there_is_an_error_that_names_it() -> None:
    with holding(FOR_AMD64, blobs=()) as (client, repository), pytest.raises(ProofError, match=f"{sha256(AMD64)} of"):
        proof.prove(client, repository, FOR_AMD64.digest, INGEST, ("linux/amd64",))


def test_a_config_that_is_no_object_is_an_error_of_the_registry() -> None:
    made = image(b"[]")
    with holding(made, blobs=(b"[]",)) as (client, repository), pytest.raises(RegistryError, match="not a JSON object"):
        proof.prove(client, repository, made.digest, INGEST, ("linux/amd64",))


# What the registry has lost


def test_a_layer_that_is_not_there_is_named_with_what_pushes_it_again() -> None:
    with holding(FOR_AMD64, layers=()) as (client, repository), pytest.raises(ProofError) as caught:
        proof.prove(client, repository, FOR_AMD64.digest, INGEST, ("linux/amd64",))
    assert f"the layer {repository.digest(FOR_AMD64.layers[0].digest)}" in caught.value.message
    assert caught.value.next_step == "./doitw push_all force=true images=ingest"


@pytest.mark.parametrize("kind", ["rootfs.foreign.diff.tar.gzip", "image.layer.nondistributable.v1.tar+gzip"])
def test_a_layer_that_no_registry_has_to_hold_is_not_asked_for(kind: str) -> None:
    made = image(AMD64, [f"application/vnd.example.{kind}"])
    with holding(made, layers=()) as (client, repository):
        assert proof.prove(client, repository, made.digest, INGEST, ("linux/amd64",)).manifest == made


class Late:
    """A registry in which what was pushed is there only when it was asked for again."""

    def __init__(self, late: str, times: int) -> None:
        self.late, self.times, self.waits = late, times, [0.0]

    def answer(self, asked: Asked) -> Answer:
        kind, _, name = asked.target.rpartition("/")
        if self.late in f"{asked.method} {kind}" and self.times:
            self.times -= 1
            return Answer(404)
        content = {str(sha256(one)): one for one in (AMD64, FOR_AMD64.content, *LAYERS)}.get(name)
        return Answer() if content is None else Answer(200, {"Content-Type": FOR_AMD64.media_type}, content)

    def prove(self, *, fresh: bool) -> Manifest:
        with serving(self.answer) as server:
            client = Client(server.registry, lambda _registry, _fresh: None)
            found = proof.prove(
                client,
                Repository(server.registry, "mine/it"),
                FOR_AMD64.digest,
                INGEST,
                ("linux/amd64",),
                fresh=fresh,
                wait=self.waits.append,
            )
        return found.manifest


@pytest.mark.parametrize("late", ["GET /v2/mine/it/manifests", "GET /v2/mine/it/blobs", "HEAD /v2/mine/it/blobs"])
def test_what_was_just_pushed_and_is_not_there_yet_is_asked_for_again(late: str) -> None:
    registry = Late(late, 4)
    assert registry.prove(fresh=True) == FOR_AMD64
    assert 1 < sum(registry.waits) < 10


def test_what_was_just_pushed_and_never_appears_is_an_error_within_the_budget() -> None:
    registry = Late("manifests", 1000)
    with pytest.raises(ProofError, match="is not in the registry"):
        registry.prove(fresh=True)
    assert sum(registry.waits) <= 30


def test_what_was_pushed_earlier_is_asked_for_once() -> None:
    registry = Late("manifests", 1)
    with pytest.raises(ProofError, match="is not in the registry"):
        registry.prove(fresh=False)
    assert registry.waits == [0.0]
