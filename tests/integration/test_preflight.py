"""Problems are found before the first build, all at once, and block nothing else from being pushed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks import preflight
from tasks.system import processes
from tests.faults.proxy import FOR_EVER, FORBIDDEN, Fault, Proxy
from tests.integration.project import Project, Run, some

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
IMAGES = {image.name: image for image in some("ingest", "query-lambda", "statestore-committer")}

_instances = itertools.count()


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    proxy = Proxy(sandbox.docker_registry)
    yield proxy
    proxy.close()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, proxy: Proxy, tmp_path: Path) -> Project:
    variables = {"DOCKER_REGISTRY": proxy.host, "IMAGES": ",".join(IMAGES)}
    project = Project(tmp_path, sandbox, engine, f"preflight-{next(_instances)}", variables)
    sample.make(project.scripts, IMAGES.values(), VERSION)
    return project


def forbid(proxy: Proxy, image: str = "") -> None:
    proxy.script(Fault("may not push", FORBIDDEN, "ours: POST uploads", image, FOR_EVER))


def builds(run: Run) -> list[list[str]]:
    return [argv for argv in run.commands if argv[:2] == ["buildx", "build"]]


def pretend(project: Project, script: str) -> None:
    """Put a docker first on PATH that answers some commands itself."""
    project.environment()
    recorder = project.root / "bin" / "docker"
    lines = recorder.read_text().splitlines()
    recorder.write_text("\n".join([*lines[:-1], script, lines[-1]]) + "\n")


def test_an_image_that_cannot_be_pushed_is_not_built_and_the_others_are(project: Project, proxy: Proxy) -> None:
    forbid(proxy, "ingest")
    done = project.run("push_all")
    assert done.code != 0
    assert done.built == done.pushed == {"query-lambda", "statestore-committer"}
    assert "DENIED" in done.output
    assert "1 failed" in done.output


def test_a_login_that_may_push_nothing_builds_nothing(project: Project, proxy: Proxy) -> None:
    forbid(proxy)
    done = project.run("push_all")
    assert done.code != 0
    assert builds(done) == []
    assert done.output.count("FAILED") == 1
    assert "3 not run" in done.output


def test_all_that_is_wrong_is_told_at_once_with_each_fix(project: Project, proxy: Proxy) -> None:
    forbid(proxy)
    pretend(project, '[ "$1" = version ] && { echo no engine here >&2; exit 1; }')
    done = project.run("push_all")
    _, _, failure = done.output.partition("FAILED preflight")
    for expected in ("no Docker engine answers", "start Docker", "DENIED", "permission"):
        assert expected in failure
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("script", "said", "fix"),
    [
        ('[ "$1" = version ] && exit 1', "no Docker engine answers", "start Docker"),
        ('[ "$1 $2" = "buildx version" ] && exit 1', "docker has no buildx", "install docker-buildx-plugin"),
        (
            '[ "$1 $2" = "buildx version" ] && { echo github.com/docker/buildx v0.9.1 ed00243; exit 0; }',
            "buildx must be 0.13 or newer; 0.9 is installed",
            "install docker-buildx-plugin",
        ),
    ],
)
def test_an_engine_that_cannot_build_is_told_before_anything_is_tried(
    project: Project, script: str, said: str, fix: str
) -> None:
    pretend(project, script)
    done = project.run("push_all")
    assert done.code != 0
    assert builds(done) == []
    assert said in done.output
    assert fix in done.output
    assert done.output.count("FAILED") == 1


def test_without_docker_it_says_what_to_install(project: Project) -> None:
    without = replace(project, variables={**project.variables, "PATH": "/nowhere"})
    done = without.run("push_all")
    assert done.code != 0
    assert "docker could not be started" in done.output


def test_what_needs_no_build_is_done_though_no_engine_answers(project: Project) -> None:
    project.push_all()
    project.delete_tag("ingest", VERSION)
    with (project.scripts / "docker" / "statestore-committer" / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")
    pretend(project, '[ "$1" = version ] && exit 1')
    done = project.run("push_all")
    assert done.code != 0
    assert done.pushed == {"ingest"}
    assert "1 retagged, 1 current, 1 failed" in done.output
    assert "not built: no Docker engine answers" in done.output


INSPECTED = "Name: default\\nDriver: docker\\n\\nNodes:\\nName: default\\nStatus: running\\nPlatforms: linux/amd64\\n"
AMD64_ONLY = f"[ \"$1 $2 $3\" = 'buildx inspect default' ] && {{ printf '{INSPECTED}'; exit 0; }}"
"""The engine's own builder on a machine without emulation."""


def test_a_platform_that_cannot_be_run_is_told_where_the_build_runs_something(project: Project) -> None:
    pretend(project, AMD64_ONLY)
    folder = project.scripts / "docker" / "statestore-committer"
    with (folder / "Dockerfile").open("a") as file:
        file.write("RUN true\n")
    done = project.run("push_all")
    assert done.built == {"ingest", "query-lambda"}
    assert "cannot run programs for linux/arm64" in done.output
    assert "binfmt" in done.output


def test_a_platform_that_cannot_be_run_is_none_of_a_copys_business(project: Project) -> None:
    pretend(project, AMD64_ONLY)
    assert project.push_all().counts == (3, 3)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds hardly more than what must stay free."""
    folder = tmp_path / "small"
    folder.mkdir()
    size = preflight.SPARE + (1 << 20)
    if processes.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]).code != 0:
        pytest.skip("file systems can be mounted by root only")
    yield folder
    processes.check(["umount", "--lazy", str(folder)], next_step="umount it")


def test_a_disk_that_cannot_hold_the_contexts_is_told_before_they_are_written(
    project: Project, small_disk: Path
) -> None:
    (project.scripts / "docker" / "ingest" / "large").write_bytes(b"x" * (2 << 20))
    small = replace(project, variables={**project.variables, "STATE_DIR": str(small_disk)})
    done = small.run("push_all")
    assert done.code != 0
    assert builds(done) == []
    assert not (small_disk / "contexts").exists()
    assert "the contexts need 2 MB" in done.output
    assert "or set STATE_DIR to a directory on a larger disk" in done.output


def test_a_run_with_nothing_to_build_looks_at_none_of_this(project: Project, proxy: Proxy) -> None:
    project.push_all()
    forbid(proxy)
    done = project.push_all()
    assert done.commands == []
    assert not [asked for asked in proxy.asked if asked.method == "POST"]


def test_it_can_be_asked_for_alone(project: Project) -> None:
    done = project.run("preflight")
    assert done.code == 0
    assert builds(done) == []
    assert not (project.state / "contexts").exists()
