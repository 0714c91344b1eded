"""A reason to build that BuildKit's cache keys do not see still gives a real build."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.reference import Registry, Repository
from tests.integration.drivers import DOCKER, NAMES, Driver
from tests.integration.images import read
from tests.integration.project import Project

pytestmark = pytest.mark.integration

_instances = itertools.count()

CATALOGUE = """\
schema: 1
stacks: []
deployments:
  - {name: fetched%s}
"""

DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox cat /proc/sys/kernel/random/uuid > /fetched"]
COPY other /other
"""


OTHERS_NIGHTLY = pytest.mark.parametrize(
    "driver",
    [name if name == DOCKER else pytest.param(name, marks=pytest.mark.nightly) for name in NAMES],
    indirect=True,
)
"""The other two tests show with each driver that a fetch runs again; what follows from it is shown with one."""


@dataclass(frozen=True)
class Described(Project):
    """A project whose catalogue may describe a builder."""

    builder: str = ""


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, driver: Driver, tmp_path: Path) -> Described:
    """A project of one image, which fetches another text each time that its RUN runs."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed (Debian: busybox-static)")
    variables = {**driver.variables, "CATALOGUE": str(tmp_path / "catalogue.yaml"), "VERSION": "1"}
    made = Described(tmp_path, sandbox, engine, f"revision-{next(_instances)}", variables, builder=builder_of(driver))
    directory = made.scripts / "docker" / "fetched"
    directory.mkdir(parents=True)
    shutil.copy(busybox, directory)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    (directory / "other").write_text(f"{tmp_path}")
    (made.scripts / "templates").mkdir()
    (made.scripts / "templates" / "version.txt").write_text("1\n")
    catalogue(made)
    return made


def builder_of(driver: Driver) -> str:
    """Return the line by which a driver's catalogue describes its builder; nothing where variables do."""
    path = driver.variables.get("CATALOGUE")
    lines = [] if path is None else Path(path).read_text().splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith("builder:"))


def catalogue(project: Described, keys: str = "") -> None:
    (project.root / "catalogue.yaml").write_text(project.builder + CATALOGUE % keys)


def fetched(project: Project) -> bytes:
    """Push what changed and return what the image's RUN has fetched."""
    project.push_all()
    repository = Repository(Registry(project.sandbox.docker_registry), f"{project.instance}/fetched")
    _, (held,) = read(repository, "1")
    return held.files["/fetched"]


def test_another_revision_runs_what_fetches_anew(project: Described) -> None:
    first = fetched(project)
    catalogue(project, ", revision: 2")
    assert fetched(project) != first


@OTHERS_NIGHTLY
def test_a_revision_fetches_once_for_all_later_changes(project: Described) -> None:
    catalogue(project, ", revision: 2")
    first = fetched(project)
    (project.scripts / "docker" / "fetched" / "other").write_text("edited")
    assert fetched(project) == first


@OTHERS_NIGHTLY
def test_a_new_revision_fetches_anew_though_a_file_changed_with_it(project: Described) -> None:
    first = fetched(project)
    (project.scripts / "docker" / "fetched" / "other").write_text("edited")
    catalogue(project, ", revision: 2")
    assert fetched(project) != first


def test_another_proxy_fetches_anew(project: Described) -> None:
    first = fetched(project)
    catalogue(project, ", build_args: {HTTP_PROXY: 'http://127.0.0.1:9'}")
    assert fetched(project) != first


@OTHERS_NIGHTLY
def test_another_instance_takes_what_is_cached(project: Described, tmp_path: Path) -> None:
    catalogue(project, ", revision: 2")
    first = fetched(project)
    other = Project(tmp_path, project.sandbox, project.engine, f"{project.instance}-other", project.variables)
    assert fetched(other) == first
