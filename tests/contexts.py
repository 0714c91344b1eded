"""A real context whose registry is a server on loopback: for the tests of single verbs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sandbox import layout, sample
from tasks.configuration import settings
from tasks.image.fingerprint import inputs_tag
from tasks.model import Builder, Catalogue, Image, Kind
from tasks.registry.model import OCI_MANIFEST, sha256
from tasks.run_context import RunContext
from tasks.stage import context_directory
from tests.registry.server import Answer, Asked, Server, serving

VERSION = "1.2.3"
INGEST = Image("ingest", Kind.DEPLOYMENT, "ingest")
INGEST_RUNNER = Image("ingest-runner", Kind.DEPLOYMENT, "ingest-runner")
QUERY = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
IMAGES = (INGEST, INGEST_RUNNER, QUERY)
HELD = sha256(b"held")


@dataclass
class World:
    """A context, its registry, the tags (`name:tag`) that it holds, and how it answers who begins an upload."""

    context: RunContext
    server: Server
    tags: set[str] = field(default_factory=set)
    uploads: Answer = field(default_factory=lambda: Answer(403))

    def fingerprint(self, image: Image) -> str:
        """Return the fingerprint of the image's inputs."""
        return self.context.decisions.collected(image).inputs.fingerprint()

    def staged(self, image: Image) -> Path:
        """Return where the image's context is staged to be pushed."""
        return context_directory(self.context.state.contexts, image, self.fingerprint(image))

    def hold(self, *images: Image) -> None:
        """Have the registry hold these images under both their tags."""
        for image in images:
            fingerprint = self.fingerprint(image)
            self.tags |= {f"{image.name}:{inputs_tag(fingerprint)}", f"{image.name}:{VERSION}"}


@contextmanager
def world(root: Path, locked: Mapping[str, str] = MappingProxyType({}), /, **variables: str) -> Iterator[World]:
    """Make a run of all IMAGES, with these settings besides those that name the registry, which takes no push."""
    sample.make(root / "scripts", IMAGES, VERSION)
    tags: set[str] = set()

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        if asked.method not in {"GET", "HEAD"}:
            return here.uploads
        _, _, _, name, _, tag = asked.target.split("/")
        held = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(HELD), "Content-Length": "4"}
        return Answer(200, held) if f"{name}:{tag}" in tags else Answer(404)

    with serving(answer) as server:
        given = {
            "scripts_dir": str(root / "scripts"),
            "state_dir": str(root / "state"),
            "instance_id": "mine",
            "docker_registry": str(server.registry),
            "registry": "oci",
            **variables,
        }
        (root / "bin").mkdir()
        environment = {"PATH": str(root / "bin"), "HOME": str(root)}
        catalogue = Catalogue(root / "catalogue.yaml", IMAGES, Builder("sleeper"), (), locked)
        found = settings.load(given, {}, root)
        context = RunContext.of(found, catalogue, layout.defaults(root / "sandbox"), environment)
        here = World(context, server, tags)
        try:
            yield here
        finally:
            context.close()
