"""Real buildx: others' builders stay as they are, ours are recreated, and a fault of a builder is reported once."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.engine import builder_checks, builder_records, builders
from tasks.engine.buildx import Engine as Ready
from tasks.errors import EngineError
from tasks.model import Builder
from tasks.reference import Registry
from tasks.system import processes
from tests.integration.drivers import Driver, Drivers
from tests.integration.project import Project, Run, some

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
IMAGES = some("ingest", "statestore-committer")
ALL = {image.name for image in IMAGES}

_instances = itertools.count()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, drivers: Drivers, tmp_path: Path) -> Iterator[Project]:
    """A project with a list of builders of its own, of which buildx makes none at first."""
    if not drivers.can("remote"):
        pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
    listed = {"BUILDX_CONFIG": str(tmp_path / "buildx"), "IMAGES": ",".join(ALL)}
    engine = replace(engine, environment={**engine.environment, **listed})
    project = Project(tmp_path, sandbox, engine, f"builders-{next(_instances)}", listed)
    sample.make(project.scripts, IMAGES, VERSION)
    yield project
    for path in (tmp_path / "buildx" / "instances").glob("*"):
        docker(project, "buildx", "rm", "--force", path.name)


def using(project: Project, **variables: str) -> Project:
    """Return the project with these settings of the builder, and no other."""
    return replace(project, variables={**project.variables, **variables})


def docker(project: Project, *words: str) -> str:
    return processes.check(["docker", *words], environment=project.engine.environment, next_step="").output


def names(project: Project) -> set[str]:
    return {path.name for path in (project.root / "buildx" / "instances").glob("*")}


def corp(project: Project, drivers: Drivers, *words: str) -> None:
    """Make a builder as somebody else would: one that this project does not know."""
    docker(project, "buildx", "create", "--name", "corp", "--driver", "remote", *words, drivers.bridge.endpoint)


def builds(done: Run) -> list[list[str]]:
    return [argv for argv in done.commands if argv[:2] == ["buildx", "build"]]


def removals(done: Run) -> list[list[str]]:
    return [argv for argv in done.commands if argv[:2] in (["buildx", "rm"], ["buildx", "create"])]


def test_somebody_elses_builder_that_is_only_named_builds_and_stays(project: Project, drivers: Drivers) -> None:
    corp(project, drivers)
    before = builder_records.instance_path("corp", project.engine.environment).read_bytes()
    done = using(project, BUILDER="corp").push_all()
    assert done.built == ALL
    assert all("--builder=corp" in argv for argv in builds(done))
    assert removals(done) == []
    assert builder_records.instance_path("corp", project.engine.environment).read_bytes() == before


def test_somebody_elses_builder_that_is_not_as_described_stops_the_run_and_stays(
    project: Project, drivers: Drivers
) -> None:
    corp(project, drivers)
    done = using(project, BUILDER="corp", BUILDER_DRIVER="docker-container").run("push_all")
    assert done.code != 0
    assert "its driver is remote, not docker-container" in done.output
    assert (builds(done), removals(done), names(project)) == ([], [], {"corp"})


def test_cleaning_leaves_somebody_elses_builder(project: Project, drivers: Drivers) -> None:
    corp(project, drivers)
    done = using(project, BUILDER="corp").run("clean", "builder")
    assert "was not made by this project" in done.output
    assert names(project) == {"corp"}


def test_somebody_elses_builder_that_does_not_answer_is_refused_and_stays(project: Project) -> None:
    docker(project, "buildx", "create", "--name", "corp", "--driver", "remote", "tcp://127.0.0.1:1")
    done = using(project, BUILDER="corp").run("push_all")
    assert done.code != 0
    assert "builder corp (remote) cannot boot" in done.output
    assert (builds(done), names(project)) == ([], {"corp"})


@pytest.mark.parametrize("name", ["default", "elsewhere"])
def test_an_engines_own_builder_that_is_named_says_how_to_choose_it(project: Project, name: str) -> None:
    home = replace(project.engine, environment={**project.engine.environment, "HOME": str(project.root / "home")})
    docker(replace(project, engine=home), "context", "create", "elsewhere", "--docker", "host=unix:///nowhere.sock")
    done = using(project, BUILDER=name).run("push_all")
    assert done.code != 0
    assert "builder_driver=docker" in done.output
    assert (builds(done), removals(done)) == ([], [])


def container(drivers: Drivers, **changes: object) -> Builder:
    options = (("image", drivers.image()), ("network", "host"))
    return replace(Builder("ours", "docker-container", options), **changes)  # type: ignore[arg-type]  # As they are.


def ready(project: Project, wanted: Builder) -> Ready:
    with contextlib.ExitStack() as hold:
        return builders.ready(wanted, project.engine.environment, project.root / "memory.json", hold)


def test_our_builder_is_kept_until_its_description_changes_and_then_made_again(
    project: Project, drivers: Drivers
) -> None:
    first = container(drivers)
    path = builder_records.instance_path("ours", project.engine.environment)
    assert ready(project, first) == Ready("ours", "docker-container", ours=True)
    before = path.stat().st_mtime_ns
    docker(project, "buildx", "inspect", "ours")
    docker(project, "buildx", "use", "ours")
    assert ready(project, first).ours
    assert path.stat().st_mtime_ns == before
    assert ready(project, container(drivers, options=(*first.options, ("env.A", "b")))).ours
    assert path.stat().st_mtime_ns != before
    assert builders.remove("ours", project.engine.environment)
    assert names(project) == set()


def test_a_builder_that_was_made_anew_by_hand_is_no_longer_ours(project: Project, drivers: Drivers) -> None:
    ready(project, container(drivers))
    docker(project, "buildx", "rm", "ours")
    docker(project, "buildx", "create", "--name", "ours", "--driver", "docker-container")
    with pytest.raises(EngineError, match=r"this project did not make.*option image is not set"):
        ready(project, container(drivers))
    with pytest.raises(EngineError, match="was not made by this project"):
        builders.remove("ours", project.engine.environment)
    assert names(project) == {"ours"}


def test_a_buildkit_that_another_list_of_builders_uses_outlives_ours(project: Project, drivers: Drivers) -> None:
    """Two lists of builders on one engine have one container for builders of one name."""
    ready(project, container(drivers))
    other = replace(
        project,
        engine=replace(
            project.engine, environment={**project.engine.environment, "BUILDX_CONFIG": str(project.root / "other")}
        ),
    )
    ready(other, container(drivers))
    assert builders.remove("ours", other.engine.environment)
    found = builders.inspect("ours", project.engine.environment)
    assert found is not None
    assert found.running


def test_a_builder_without_the_host_network_gives_one_line_before_the_first_build(
    project: Project, drivers: Drivers
) -> None:
    ready(project, container(drivers))
    path = builder_records.instance_path("ours", project.engine.environment)
    described = json.loads(path.read_text())
    # It runs on the host's network, or the bridge would not be reached; buildx says that it does not.
    del described["Nodes"][0]["DriverOpts"]["network"]
    path.write_text(json.dumps(described))
    done = using(project, BUILDER="ours").run("push_all")
    assert done.code != 0
    assert builds(done) == []
    assert "cannot reach the registry" in " ".join(done.output.split())
    assert "builder_options=network=host" in done.output
    assert done.output.count("FAILED") == 1


def test_a_registry_that_answers_is_reached(project: Project, sandbox: Sandbox, driver: Driver) -> None:
    registry = Registry(sandbox.docker_registry)
    assert (
        builder_checks.unreachable(Ready(*_made(project, driver)), None, registry, project.engine.environment) is None
    )


def test_a_registry_that_nobody_runs_is_not_reached(project: Project, driver: Driver) -> None:
    error = builder_checks.unreachable(
        Ready(*_made(project, driver)), None, Registry("127.0.0.1:1"), project.engine.environment
    )
    assert error is not None
    assert "connection refused" in error.message


def _made(project: Project, driver: Driver) -> tuple[str, str]:
    """Have the driver's builder in the project's list; return what it is called, and its driver."""
    options = driver.variables.get("BUILDER_OPTIONS", "")
    words = [word for option in options.split(",") if option for word in ("--driver-opt", option)]
    if driver.name == "remote":
        words.append(Path(driver.variables["CATALOGUE"]).read_text().partition("endpoint: '")[2].partition("'")[0])
    if driver.name != "docker":
        docker(project, "buildx", "create", "--name", driver.builder, "--driver", driver.name, "--bootstrap", *words)
    return driver.builder, driver.name


def test_a_platform_that_only_the_builder_names_is_reported_where_a_build_runs(
    project: Project, drivers: Drivers
) -> None:
    if Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        pytest.skip("this machine runs arm64")
    corp(project, drivers, "--platform", "linux/amd64,linux/arm64")
    with (project.scripts / "docker" / "statestore-committer" / "Dockerfile").open("a") as file:
        file.write("RUN true\n")
    done = using(project, BUILDER="corp").run("push_all")
    assert done.built == {"ingest"}
    assert "cannot run programs for linux/arm64" in " ".join(done.output.split())


def test_a_tmpdir_that_docker_does_not_see_is_told_before_the_first_build(project: Project) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("only root may give a program a /tmp of its own")
    project.environment()
    recorder = project.root / "bin" / "docker"
    hidden = project.root / "t"
    lines = recorder.read_text().splitlines()
    # As a snap does it: its program runs with another directory in that place.
    lines[-1] = lines[-1].replace(
        "exec ", f"exec {unshare} --mount sh -c 'mount -t tmpfs tmpfs {hidden}; exec \"$@\"' sh "
    )
    recorder.write_text("\n".join(lines) + "\n")
    done = using(project, BUILDER_DRIVER="docker").run("push_all")
    assert done.code != 0
    assert builds(done) == []
    assert f"docker cannot read the files below {hidden}" in " ".join(done.output.split())
    assert "set TMPDIR" in done.output
    assert "Traceback" not in done.output
