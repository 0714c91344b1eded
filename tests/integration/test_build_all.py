"""`build_all` and `build:<image>`: images in the local engine, for people who run them. No registry, no account."""

from __future__ import annotations

import itertools
import platform
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.configuration import values
from tasks.system import processes
from tests import trees
from tests.integration.drivers import Driver
from tests.integration.project import IMAGES, Project, Run

pytestmark = pytest.mark.integration

NOWHERE = dict.fromkeys(
    ("INSTANCE_ID", "ACCOUNT", "REGION", "DOCKER_REGISTRY", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"), ""
)
"""What names a destination, not set."""

SOME = "images=ingest,compaction-job-execution,query-lambda"

_numbers = itertools.count()


def made(root: Path, sandbox: Sandbox, engine: Engine, variables: dict[str, str]) -> Project:
    """A project of a version of its own, since the engine's names of images are the versions'."""
    version = f"0.36.{next(_numbers)}"
    project = Project(root, sandbox, engine, f"built-{version}", variables)
    sample.make(project.scripts, IMAGES, version)
    return project


@pytest.fixture(scope="module")
def all_built(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Run]:
    """A project without a destination, and its first build_all."""
    project = made(tmp_path_factory.mktemp("all"), sandbox, engine, NOWHERE)
    return project, project.run("build_all")


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Project:
    """A project without a destination, of which some images are built."""
    found = made(tmp_path, sandbox, engine, NOWHERE)
    assert build(found) == {"ingest", "compaction-job-execution", "query-lambda"}
    return found


def build(project: Project, *words: str) -> set[str]:
    """Run build_all on three images and return which were built."""
    done = project.run("build_all", SOME, *words)
    assert done.code == 0, done.output
    return done.built


def docker(project: Project, *words: str) -> str:
    """Run docker as a user would."""
    return processes.check(["docker", *words], environment=project.engine.environment, next_step="").output.strip()


def by_inputs(project: Project, image: str) -> list[str]:
    """Return the names by inputs of what the engine has as the project's version of an image."""
    listed = docker(project, "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    found = dict(line.split() for line in listed)
    current = found[f"{image}:{project.version}"]
    return [name for name, identity in found.items() if identity == current and name.startswith(f"{image}:inputs-")]


def test_all_twenty_are_in_the_engine_under_their_names(all_built: tuple[Project, Run]) -> None:
    project, done = all_built
    assert done.code == 0, done.output
    assert f"{len(IMAGES)} images: {len(IMAGES)} loaded" in done.output
    listed = docker(project, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    assert {f"{image.name}:{project.version}" for image in IMAGES} <= set(listed)


def test_no_registry_is_pushed_to_or_asked(all_built: tuple[Project, Run]) -> None:
    project, done = all_built
    assert not project.repositories.exists()
    assert not [word for argv in done.commands for word in argv if "push" in word]
    assert "→" not in done.output


def test_a_multiplatform_image_is_loaded_for_the_engines_own_platform(all_built: tuple[Project, Run]) -> None:
    loaded = f"compaction-job-execution:{all_built[0].version}"
    found = docker(all_built[0], "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", loaded)
    assert found == docker(all_built[0], "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")


def test_nothing_is_left_of_a_context(all_built: tuple[Project, Run]) -> None:
    assert [path for path in (all_built[0].state / "contexts").rglob("*") if path.is_file()] == []


def test_a_lambda_has_its_own_jar(all_built: tuple[Project, Run]) -> None:
    project = all_built[0]
    container = docker(project, "create", f"query-lambda:{project.version}", "none")
    try:
        docker(project, "cp", f"{container}:/function/lambda.jar", str(project.root / "copied.jar"))
    finally:
        docker(project, "rm", container)
    jar = project.scripts / "jars" / f"query-{project.version}.jar"
    assert (project.root / "copied.jar").read_bytes() == jar.read_bytes()


def test_a_second_run_builds_nothing(project: Project) -> None:
    assert build(project) == set()


def test_a_clean_maven_build_without_a_change_builds_nothing(project: Project) -> None:
    trees.rebuild(project.scripts)
    assert build(project) == set()


def test_an_image_that_was_removed_from_the_engine_is_built_again(project: Project) -> None:
    docker(project, "image", "rm", f"ingest:{project.version}")
    assert build(project) == {"ingest"}


def test_an_image_whose_name_is_on_another_one_is_built_again(project: Project) -> None:
    docker(project, "tag", f"query-lambda:{project.version}", f"ingest:{project.version}")
    assert build(project) == {"ingest"}


def test_edited_inputs_are_built_again(project: Project) -> None:
    assert trees.rewrite(project.scripts / "jars" / f"query-{project.version}.jar", edited=True)
    assert build(project) == {"query-lambda"}
    assert build(project) == set()


def test_without_docker_an_image_that_was_built_fails_with_what_to_do(project: Project) -> None:
    done = replace(project, variables={**NOWHERE, "PATH": "/nowhere"}).run("build:ingest")
    assert done.code != 0
    assert "docker could not be started" in done.output
    assert "next: install docker" in done.output
    assert "Traceback" not in done.output


def test_force_builds_again(project: Project) -> None:
    assert build(project, "force=true") == {"ingest", "compaction-job-execution", "query-lambda"}


def test_another_platform_is_another_image(project: Project) -> None:
    other = "linux/arm64" if platform.machine() == "x86_64" else "linux/amd64"
    assert build(project, f"platform={other}") == {"ingest", "query-lambda"}
    found = docker(project, "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", f"ingest:{project.version}")
    assert found == other
    assert other != values.native_platform()


def test_without_state_what_the_engine_holds_decides(project: Project) -> None:
    shutil.rmtree(project.state)
    assert build(project) == set()


def test_the_inputs_of_an_image_are_a_second_name_of_it(project: Project) -> None:
    assert len(by_inputs(project, "ingest")) == 1


def test_what_a_new_build_replaces_does_not_stay_in_the_engine(project: Project) -> None:
    names = []
    for _ in range(2):
        with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
            file.write(f"LABEL edit={uuid.uuid4()}\n")
        assert build(project) == {"ingest"}
        names += by_inputs(project, "ingest")
    listed = docker(project, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    assert names[0] not in listed
    assert names[1] in listed


def test_a_failed_build_is_shown_whole_and_the_others_are_finished(project: Project) -> None:
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY not-there /x\n")
    done = project.run("build_all", SOME)
    assert done.code != 0
    assert "FAILED build:ingest" in done.output
    assert "not-there" in done.output
    assert "2 current, 1 failed" in done.output


def test_the_builder_alone_is_made_ready(sandbox: Sandbox, engine: Engine, driver: Driver, tmp_path: Path) -> None:
    done = made(tmp_path, sandbox, engine, {**NOWHERE, **driver.variables}).run("builder")
    assert (done.code, done.built) == (0, set()), done.output
    assert "cannot boot" not in done.output
    processes.check(["docker", "buildx", "inspect", driver.builder], environment=engine.environment, next_step="")


def test_an_image_can_be_built_and_pushed_in_one_run(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> None:
    project = made(tmp_path, sandbox, engine, {})
    done = project.run("push_all", "build_all", "images=ingest,query-lambda")
    assert done.code == 0, done.output
    assert done.pushed == {"ingest", "query-lambda"}
    assert len([argv for argv in done.commands if argv[:2] == ["buildx", "build"]]) == 4
    for name in ("ingest", "query-lambda"):
        docker(project, "image", "inspect", f"{name}:{project.version}")
    assert [path for path in (project.state / "contexts").rglob("*") if path.is_file()] == []
    again = project.run("push_all", "build_all", "images=ingest,query-lambda")
    assert (again.code, again.built) == (0, set())
