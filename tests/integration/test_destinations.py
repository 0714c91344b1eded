"""Where images can go, and what for: a plain registry, one without a login, a prefix, a properties file, a platform."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import ACCOUNT, PASSWORD, REGION, USER, Sandbox
from tasks.configuration import values
from tasks.reference import Registry, Repository
from tasks.system import processes
from tests.integration import images
from tests.integration.drivers import Drivers
from tests.integration.plain import registry_of_its_own
from tests.integration.project import IMAGES, Project

pytestmark = pytest.mark.integration

VERSION = "0.36.0"
SOME = "images=ingest,compaction-job-execution,query-lambda"
NAMES = {"ingest", "compaction-job-execution", "query-lambda"}

NO_AWS = {"REGISTRY": "oci", **dict.fromkeys(("ACCOUNT", "REGION", "AWS_ENDPOINT_URL"), "")}
NO_KEYS = {
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"), ""),
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}
"""An AWS that a run would fail to talk to."""

_instances = itertools.count()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Project:
    """A project of an instance of its own."""
    found = Project(tmp_path, sandbox, engine, f"destination-{next(_instances)}")
    sample.make(found.scripts, IMAGES, VERSION)
    return found


@pytest.fixture(scope="module")
def without_login(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The same, but that its registry is not ECR and asks for no login."""
    with registry_of_its_own(sandbox, engine, tmp_path_factory.mktemp("open"), login=False) as box:
        yield box


@pytest.fixture(scope="module")
def with_login(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The same, but that its registry is not ECR."""
    with registry_of_its_own(sandbox, engine, tmp_path_factory.mktemp("closed"), login=True) as box:
        yield box


@pytest.fixture
def closed(project: Project, with_login: Sandbox) -> Project:
    """A project whose registry is not ECR and asks for a login."""
    return replace(project, sandbox=with_login, variables=NO_AWS)


def log_in(project: Project) -> None:
    """Log in as a user does, with docker's own command."""
    folder = project.root / "home" / ".docker"
    environment = {**project.engine.environment, "DOCKER_CONFIG": str(folder)}
    login = ["docker", "login", "--username", USER, "--password-stdin", project.sandbox.docker_registry]
    processes.check(login, environment=environment, stdin=PASSWORD, next_step="")


def platform_of(project: Project, name: str) -> list[str]:
    """Return the platforms of an image as the registry has it."""
    repository = Repository(Registry(project.sandbox.docker_registry), f"{project.instance}/{name}")
    return sorted(held.platform for held in images.read(repository, project.version)[1])


def test_a_plain_registry_is_pushed_to_with_dockers_own_login(closed: Project) -> None:
    plain = replace(closed, variables=NO_AWS | NO_KEYS | {"AWS_ENDPOINT_URL": ""})
    log_in(plain)
    first = plain.push_all(SOME)
    assert (first.built, first.pushed) == (NAMES, NAMES)
    assert f"{plain.sandbox.docker_registry}/{plain.instance}" in first.output
    assert plain.push_all(SOME).counts == (0, 0)


def test_the_users_own_login_is_not_written_to(closed: Project) -> None:
    plain = closed
    log_in(plain)
    config = plain.root / "home" / ".docker" / "config.json"
    before = (config.read_bytes(), config.stat().st_mtime_ns)
    plain.push_all("images=ingest")
    assert (config.read_bytes(), config.stat().st_mtime_ns) == before


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_the_users_helper_is_asked_with_the_users_environment(closed: Project, key: str) -> None:
    """As ecr-login is, which finds its login by AWS_PROFILE; buildx's own environment has nothing of the kind."""
    plain = replace(closed, variables=NO_AWS | {"KEPT_ELSEWHERE": PASSWORD})
    folder = plain.root / "home" / ".docker"
    folder.mkdir(parents=True)
    named = "elsewhere" if key == "credsStore" else {plain.sandbox.docker_registry: "elsewhere"}
    (folder / "config.json").write_text(json.dumps({key: named}))
    program = Path(plain.environment()["PATH"].partition(":")[0]) / "docker-credential-elsewhere"
    answer = f'{{\\"Username\\": \\"{USER}\\", \\"Secret\\": \\"$KEPT_ELSEWHERE\\"}}'
    program.write_text(f'#!/bin/sh\n[ -n "$KEPT_ELSEWHERE" ] && echo "{answer}"\n')
    program.chmod(0o755)
    assert plain.push_all("images=ingest").pushed == {"ingest"}


def test_a_plain_registry_whose_login_is_missing_says_how_to_log_in(closed: Project) -> None:
    done = closed.run("push_all", "images=ingest")
    assert done.code != 0
    assert f"docker login {closed.sandbox.docker_registry}" in done.output
    assert done.built == set()
    assert "Traceback" not in done.output


def test_a_registry_without_a_login_needs_none(project: Project, without_login: Sandbox) -> None:
    plain = replace(project, sandbox=without_login, variables=NO_AWS)
    first = plain.push_all(SOME)
    assert (first.built, first.pushed) == (NAMES, NAMES)
    assert plain.push_all(SOME).counts == (0, 0)
    shutil.rmtree(plain.repositories / "ingest")
    assert plain.push_all(SOME).built == {"ingest"}


def test_aws_is_not_asked_about_a_plain_registry(project: Project, without_login: Sandbox) -> None:
    plain = replace(project, sandbox=without_login, variables=NO_AWS | NO_KEYS | {"REGISTRY": "oci"})
    assert plain.push_all("images=ingest").built == {"ingest"}


def test_a_prefix_takes_the_place_of_registry_and_instance(project: Project) -> None:
    prefix = f"{project.sandbox.docker_registry}/team/{project.instance}"
    nested = replace(project, instance=f"team/{project.instance}", variables={"REPO_PREFIX": prefix, "INSTANCE_ID": ""})
    assert nested.push_all(SOME).pushed == NAMES
    assert nested.push_all(SOME, f"docker_registry={project.sandbox.docker_registry}").counts == (0, 0)


def test_a_properties_file_can_name_everything(project: Project) -> None:
    file = project.root / "instance.properties"
    file.write_text(
        f"sleeper.id={project.instance}\n"
        f"sleeper.account={ACCOUNT}\n"
        f"sleeper.region={REGION}\n"
        f"sleeper.ecr.repository.prefix={project.sandbox.docker_registry}/{project.instance}\n"
        "sleeper.optional.stacks=IngestStack,QueryStack\n"
        "sleeper.lambda.deploy.type=jar\n"
    )
    unset = dict.fromkeys(("INSTANCE_ID", "ACCOUNT", "REGION", "DOCKER_REGISTRY"), "")
    filed = replace(project, variables={**unset, "INSTANCE_PROPERTIES": str(file)})
    assert filed.push_all().pushed == {"ingest", "statestore-committer", "query-lambda"}


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/amd64", "native"])
def test_a_single_platform_image_is_made_for_the_platform_that_is_asked_for(project: Project, platform: str) -> None:
    project.push_all(SOME, f"platform={platform}")
    expected = values.native_platform() if platform == "native" else platform
    assert platform_of(project, "ingest") == platform_of(project, "query-lambda") == [expected]
    assert platform_of(project, "compaction-job-execution") == ["linux/amd64", "linux/arm64"]


def test_another_platform_is_another_image_and_the_former_is_kept(project: Project) -> None:
    project.push_all(SOME)
    other = project.push_all(SOME, "platform=linux/arm64")
    assert other.built == {"ingest", "query-lambda"}
    assert platform_of(project, "ingest") == ["linux/arm64"]
    back = project.push_all(SOME)
    assert (back.built, back.pushed) == (set(), {"ingest", "query-lambda"})
    assert platform_of(project, "ingest") == ["linux/amd64"]


def test_always_changes_nothing_of_what_is_current(project: Project) -> None:
    project.push_all(SOME)
    done = project.run("-a", "push_all", SOME)
    assert (done.code, done.counts) == (0, (0, 0))
    assert done.before == done.after
    assert [argv for argv in done.commands if argv[:2] != ["buildx", "version"]] == []


def test_clean_removes_what_is_here_and_nothing_in_the_registry(project: Project) -> None:
    first = project.push_all(SOME)
    assert (project.state / "logs" / "push-ingest.log").exists()
    done = project.run("clean")
    assert done.code == 0
    assert not (project.state / "logs").exists()
    assert not (project.state / "contexts").exists()
    assert done.after == first.after
    assert project.push_all(SOME).counts == (0, 0)


def test_clean_builder_removes_the_builder_and_nothing_in_the_registry(project: Project, drivers: Drivers) -> None:
    own = {"BUILDER": "cleaned", "BUILDER_DRIVER": "docker-container"}
    options = {"BUILDER_OPTIONS": f"image={drivers.image()},network=host"}
    project = replace(project, variables={**project.variables, **own, **options})
    inspect = ["docker", "buildx", "inspect", "cleaned"]
    project.push_all("images=ingest")
    assert processes.run(inspect, environment=project.environment()).code == 0
    done = project.run("clean", "builder")
    assert done.code == 0, done.output
    assert done.after == done.before
    assert processes.run(inspect, environment=project.environment()).code != 0


def test_clean_waits_for_a_run_that_goes_on(project: Project) -> None:
    second = project.root / "second"
    project.before_each_build(f"{sys.executable} -m doit clean > {second} 2>&1; echo $? >> {second}")
    project.push_all("images=ingest")
    assert "is held by process" in second.read_text()
    assert second.read_text().splitlines()[-1] == "3"
