"""A registry on loopback that holds every image under whatever tag it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, sha256
from tests.graph.conftest import IMAGES
from tests.registry.server import Answer, Asked, Server, serving

_INDEXES = {image.name for image in IMAGES if image.multiplatform}


@contextmanager
def holding_everything() -> Iterator[Server]:
    """Run one: both tags of each image are on one manifest of the right kind."""
    with serving(_answer) as server:
        yield server


def _answer(asked: Asked) -> Answer:
    if asked.target == "/v2/":
        return Answer()
    name = asked.target.split("/")[-3]
    kind = OCI_INDEX if name in _INDEXES else OCI_MANIFEST
    held = {"Content-Type": kind, "Docker-Content-Digest": str(sha256(b"held")), "Content-Length": "4"}
    return Answer(200, held)
