"""A project whose registry and ECR API are reached through proxies, and what its registry may hold."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.model import Image
from tests.faults.proxy import Fault, Proxy
from tests.faults.truth import IMAGES, Truth
from tests.integration.project import SLEEPER, Project, Run

_numbers = itertools.count()

SIX = tuple(
    image
    for image in IMAGES
    if image.name
    in {
        *("ingest", "compaction-job-execution", "statestore-committer"),
        *("query-lambda", "metrics-lambda", "athena-lambda"),
    }
)
"""A deployment, two for several platforms and three lambdas: enough where nothing depends on how many there are."""


@dataclass(frozen=True)
class Place:
    """Where faults happen.

    Attributes:
        project: the user's project.
        registry: what stands before the registry.
        api: what stands before the ECR API.
        truth: what the registry may hold.
    """

    project: Project
    registry: Proxy
    api: Proxy
    truth: Truth

    def script(self, *faults: Fault) -> None:
        """Have these faults happen in the registry, and no others."""
        self.registry.script(*faults)

    def run(self, *words: str) -> Run:
        """Run `push_all` and see that no tag is wrong, however it ended."""
        done = self.project.run("push_all", *words)
        self.truth.check()
        assert "Traceback" not in done.output, done.output
        return done

    def repair(self) -> Run:
        """Run without faults: everything must be right then."""
        self.registry.script()
        self.api.script()
        done = self.project.push_all()
        self.truth.check(complete=True)
        return done

    def met(self, repository: str = "") -> int:
        """Return how many requests met a fault."""
        return sum(1 for one in self.registry.asked if one.fault and repository in {"", one.repository})


@contextmanager
def place(
    root: Path, sandbox: Sandbox, engine: Engine, images: tuple[Image, ...] = IMAGES, **variables: str
) -> Iterator[Place]:
    """Make a place of some images in an empty directory; nothing is in its registry."""
    registry, api = Proxy(sandbox.docker_registry), Proxy(f"127.0.0.1:{sandbox.api_port}")
    shutil.copytree(sandbox.scripts_dir, root / "scripts")
    instance = f"faults-{os.getpid()}-{next(_numbers)}"
    given = {
        "DOCKER_REGISTRY": registry.host,
        "AWS_ENDPOINT_URL": f"http://{api.host}",
        "IMAGES": ",".join(image.name for image in images),
        **variables,
    }
    project = Project(root, sandbox, engine, instance, given, SLEEPER)
    try:
        found = Place(project, registry, api, Truth(project, images))
        found.truth.edit()
        yield found
    finally:
        registry.close()
        api.close()


def second_checkout(first: Place, root: Path, registry: Proxy) -> Project:
    """Return another checkout of the same tree that pushes to the same repositories through a proxy of its own."""
    shutil.copytree(first.project.scripts, root / "scripts")
    given = {**first.project.variables, "DOCKER_REGISTRY": registry.host}
    return replace(first.project, root=root, variables=given)
