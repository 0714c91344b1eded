from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import RegistryError
from tasks.reference import Digest
from tasks.registry.model import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    media_type,
)
from tests.registry.images import OCI_CONFIG, OCI_LAYER, config, described_as, encoded, entry, image, index

SOME = image(config())
GOOD = described_as(OCI_CONFIG, b"config")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def test_a_manifest_is_named_by_its_bytes() -> None:
    manifest = Manifest(OCI_MANIFEST, b"")
    digest = Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    assert manifest.digest == digest
    assert SOME.descriptor == Descriptor(OCI_MANIFEST, SOME.digest, len(SOME.content))


def test_an_image_has_a_config_and_layers() -> None:
    assert SOME.config.media_type == OCI_CONFIG
    assert [layer.media_type for layer in SOME.layers] == [OCI_LAYER]


def test_an_index_has_children_with_platforms_and_annotations() -> None:
    child = index(entry(SOME, "linux/arm/v7", note="here")).children[0]
    assert child.descriptor == SOME.descriptor
    assert child.platform == {"os": "linux", "architecture": "arm", "variant": "v7"}
    assert child.annotations == {"note": "here"}


def test_a_child_without_a_platform_has_an_empty_one() -> None:
    assert index(described_as(OCI_MANIFEST, b"")).children[0].platform == {}


@pytest.mark.parametrize("name", sorted(MANIFEST_TYPES))
def test_lists_are_told_from_images_by_their_media_type(name: str) -> None:
    assert (
        Manifest(name, b"").is_index is Descriptor(name, SOME.digest, 1).is_index is (name in {OCI_INDEX, DOCKER_LIST})
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"{}", "schemaVersion is not 2"),
        (encoded({"schemaVersion": 1}), "schemaVersion is not 2"),
        (encoded({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}), "has the mediaType"),
        (encoded({"schemaVersion": 2, "config": GOOD, "layers": [], "manifests": []}), "both an image and an index"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(RegistryError, match=fault):
        Manifest(OCI_MANIFEST, content).json()


@pytest.mark.parametrize("name", sorted(INDEX_TYPES))
def test_an_index_with_layers_is_refused(name: str) -> None:
    with pytest.raises(RegistryError, match="both an image and an index"):
        Manifest(name, encoded({"schemaVersion": 2, "manifests": [], "layers": []})).json()


def test_another_media_type_is_refused() -> None:
    with pytest.raises(RegistryError, match="is not the media type of an image"):
        Manifest("text/html", SOME.content).json()


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (None, "has no config"),
        ("sha256", "has no config"),
        ({**GOOD, "mediaType": None}, "no media type"),
        ({**GOOD, "mediaType": "text/html; charset=utf-8"}, "no media type"),
        ({**GOOD, "size": -1}, "no size"),
        ({**GOOD, "size": True}, "no size"),
        ({**GOOD, "size": "7"}, "no size"),
        ({**GOOD, "size": 7.0}, "no size"),
        ({**GOOD, "digest": None}, "no sha256 digest"),
        ({**GOOD, "digest": "sha256:../../etc"}, "no sha256 digest"),
        ({**GOOD, "digest": "sha512:" + "0" * 128}, "no sha256 digest"),
    ],
)
def test_a_malformed_descriptor_is_refused(wrong: object, fault: str) -> None:
    with pytest.raises(RegistryError, match=fault):
        _ = Manifest(OCI_MANIFEST, encoded({"schemaVersion": 2, "config": wrong, "layers": []})).config


@given(
    st.sampled_from(sorted(MANIFEST_TYPES)), st.dictionaries(st.sampled_from(["config", "layers", "manifests"]), JSON)
)
def test_whatever_a_registry_answers_it_is_believed_or_refused(name: str, document: dict[str, Any]) -> None:
    manifest = Manifest(name, json.dumps({"schemaVersion": 2, **document}).encode())
    believed: list[object] = []
    for read in (lambda: manifest.config, lambda: manifest.layers, lambda: manifest.children):
        with contextlib.suppress(RegistryError):
            believed.append(read())
    assert all(isinstance(one, Descriptor | tuple) for one in believed)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (OCI_INDEX, OCI_INDEX),
        (f"{OCI_INDEX}; charset=utf-8", OCI_INDEX),
        ("", None),
        ("text", None),
        ("text/html\r\nX: y", None),
        ("text/" + "x" * 128, None),
    ],
)
def test_a_content_type_is_read_without_its_parameters(header: str, expected: str | None) -> None:
    assert media_type(header) == expected
