"""`push_all` with a builder of each driver: the same images, read back; and what the drivers do differently."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.system import processes
from tests.faults.truth import IMAGES, Truth
from tests.integration.drivers import NAMES, Driver, Drivers
from tests.integration.project import Project, Run

pytestmark = pytest.mark.integration

FEW = tuple(image for image in IMAGES if image.name in {"ingest", "statestore-committer", "query-lambda"})
"""A deployment, one for two platforms, and a lambda."""

ALL = {image.name for image in FEW}

_instances = itertools.count()


@pytest.fixture(scope="module")
def pushed(
    sandbox: Sandbox, engine: Engine, driver: Driver, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Truth, Run]:
    """A project that builds with one driver, what its images may be, and its first push."""
    root = tmp_path_factory.mktemp(driver.name)
    shutil.copytree(sandbox.scripts_dir, root / "scripts")
    variables = {**driver.variables, "IMAGES": ",".join(ALL)}
    project = Project(root, sandbox, engine, f"drivers-{driver.name}", variables)
    truth = Truth(project, FEW)
    truth.edit()
    return project, truth, project.push_all()


@pytest.fixture
def project(pushed: tuple[Project, Truth, Run], tmp_path: Path) -> Project:
    """A project of a test's own whose images have been pushed."""
    first, _, _ = pushed
    return first.copy(tmp_path, f"{first.instance}-{next(_instances)}")


def test_the_first_push_builds_and_pushes_everything(pushed: tuple[Project, Truth, Run]) -> None:
    _, truth, first = pushed
    assert (first.built, first.pushed) == (ALL, ALL)
    truth.check(complete=True)


def test_every_build_names_the_builder(pushed: tuple[Project, Truth, Run], driver: Driver) -> None:
    builds = [argv for argv in pushed[2].commands if argv[:2] == ["buildx", "build"]]
    assert len(builds) == len(FEW)
    assert all(f"--builder={driver.builder}" in argv for argv in builds)


def test_only_the_engines_own_builder_needs_a_tag_to_push_to(
    pushed: tuple[Project, Truth, Run], driver: Driver
) -> None:
    building = {name for name, tags in pushed[0].tags().items() if "building" in tags}
    assert building == (set() if driver.pushes_by_digest else ALL)


def test_a_push_leaves_no_image_in_the_engine(pushed: tuple[Project, Truth, Run], engine: Engine) -> None:
    listed = processes.check(["docker", "images", "--all"], environment=engine.environment, next_step="").output
    assert pushed[0].instance not in listed


def test_a_second_push_does_nothing(project: Project) -> None:
    assert project.push_all().counts == (0, 0)


def test_of_one_changed_image_only_that_is_built(project: Project) -> None:
    truth = Truth(project, FEW)
    changed = [image for image in FEW if image.name == "statestore-committer"]
    truth.edit(changed)
    done = project.push_all()
    assert done.built == done.pushed == {"statestore-committer"}


def test_a_fault_of_the_dockerfile_is_told_and_not_tried_again(project: Project) -> None:
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY not-there /x\n")
    done = project.run("push_all")
    assert done.code != 0
    assert done.counts == (1, 0), done.output
    assert len([argv for argv in done.commands if argv[:2] == ["buildx", "build"]]) == 1
    failure = done.output.partition("FAILED push:ingest")[2]
    assert '"/not-there": not found' in failure
    assert "next: " in failure


def test_an_image_is_loaded_into_the_engine(project: Project, engine: Engine) -> None:
    done = project.run("build:query-lambda")
    assert done.code == 0, done.output
    name = f"query-lambda:{project.version}"
    processes.check(["docker", "image", "rm", "--force", name], environment=engine.environment, next_step="")


def test_from_one_cache_every_driver_makes_the_same_image(
    sandbox: Sandbox, engine: Engine, drivers: Drivers, tmp_path: Path
) -> None:
    """Therefore the driver is not among an image's inputs."""
    shutil.copytree(sandbox.scripts_dir, tmp_path / "scripts")
    shared = Project(tmp_path, sandbox, engine, "same", {"IMAGES": ",".join(ALL)})
    found = []
    for name in filter(drivers.can, NAMES):
        variables = {**shared.variables, **drivers.get(name).variables}
        done = replace(shared, instance=f"same-{name}", variables=variables).push_all()
        found.append({image: tags[done.version][0] for image, tags in done.after.items()})
    assert set(found[0]) == ALL
    assert all(one == found[0] for one in found)
