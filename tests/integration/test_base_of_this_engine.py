"""A base image that only this machine's engine has: it cannot be locked, and is never pulled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.system import processes
from tests.integration.project import Project

pytestmark = pytest.mark.integration

_instances = itertools.count()

CATALOGUE = """\
schema: 1
stacks: []
builder: {name: default, driver: docker}
deployments:
  - {name: standing%s}
"""


@pytest.fixture(params=["only-here:1", "{registry}/nobody/base:1"])
def base(request: pytest.FixtureRequest, sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Iterator[str]:
    """The name of an image in the engine: without a host, or of a registry without it."""
    name = str(request.param).format(registry=sandbox.docker_registry)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /here\n")
    words = ("docker", "buildx", "build", "--builder=default", "--load", f"--tag={name}", str(tmp_path / "base"))
    processes.check(words, next_step="see above", environment=engine.environment)
    yield name
    processes.run(["docker", "image", "rm", "--force", name], environment=engine.environment)


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, tmp_path: Path, base: str) -> Project:
    """A project of one image that stands on the base, pushed once."""
    variables = {"CATALOGUE": str(tmp_path / "catalogue.yaml"), "VERSION": "1"}
    made = Project(tmp_path, sandbox, engine, f"standing-{next(_instances)}", variables)
    directory = made.scripts / "docker" / "standing"
    directory.mkdir(parents=True)
    (directory / "Dockerfile").write_text(f"FROM {base}\nCOPY Dockerfile /\n")
    (made.scripts / "templates").mkdir()
    (made.scripts / "templates" / "version.txt").write_text("1\n")
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE % "")
    assert made.push_all().built == {"standing"}
    return made


def test_a_refresh_says_once_that_it_cannot_be_locked(project: Project, base: str) -> None:
    done = project.run("base=refresh")
    assert done.code == 0, done.output
    assert done.output.count(f"not locked {base}:") == 1


def test_a_forced_build_takes_what_the_engine_has(project: Project, base: str) -> None:
    done = project.push_all("force=true")
    assert done.built == {"standing"}
    # The note is folded.
    assert " ".join(done.output.split()).count(f"{base}: taken from the local engine") == 1


def test_another_revision_is_built_on_what_the_engine_has(project: Project) -> None:
    (project.root / "catalogue.yaml").write_text(CATALOGUE % ", revision: 2")
    assert project.push_all().built == {"standing"}


def test_a_base_that_nobody_has_is_still_an_error(project: Project, base: str) -> None:
    dockerfile = project.scripts / "docker" / "standing" / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace(base, "127.0.0.1:1/nobody/has:1"))
    done = project.run("base=refresh")
    assert done.code != 0
    assert "127.0.0.1:1/nobody/has:1" in done.output
