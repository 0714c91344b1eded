"""The README's first command as it stands, and with a builder of each of the other drivers.

As it stands it uses the engine that answers, or one of the sandbox's own. The builder is docker-container where
BuildKit's image can be had; where it cannot, the engine itself, and a note says so.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import servers
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.configuration import catalogue
from tasks.system import processes
from tests.integration.conftest import new_sandbox
from tests.integration.drivers import CONTAINER, REMOTE, STABLE, Drivers
from tests.integration.project import CHECKOUT, SLEEPER

pytestmark = pytest.mark.integration

COUNT = len(catalogue.load(SLEEPER).images)
FEW = ("ingest", "statestore-committer", "query-lambda")


@dataclass(frozen=True)
class User:
    """Somebody with an engine and a checkout, whose sandbox does not run yet.

    Attributes:
        box: the sandbox that the user's commands are about.
        driver: the driver of its builder.
        words: what chooses the builder, where that is not the usual one.
        environment: the user's.
    """

    box: Sandbox
    driver: str
    words: tuple[str, ...]
    environment: dict[str, str]

    @property
    def count(self) -> int:
        """How many images are pushed: all of them, but a few where somebody has to describe a builder first."""
        return len(FEW) if self.driver == REMOTE else COUNT

    def doitw(self, *words: str) -> str:
        """Run ./doitw, which must succeed; return what it printed."""
        command = [str(CHECKOUT / "doitw"), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def containers(self) -> str:
        """The containers on the engine."""
        return processes.check(["docker", "ps", "--all"], environment=self.environment, next_step="").output


@pytest.fixture(params=[CONTAINER, pytest.param(REMOTE, marks=pytest.mark.nightly)])
def user(request: pytest.FixtureRequest, drivers: Drivers, engine: Engine, tmp_path: Path) -> Iterator[User]:
    """A user of an engine with a builder of this driver; docker-container is the usual one."""
    name = request.param
    if not drivers.can(name):
        pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
    words: tuple[str, ...] = ()
    if name == CONTAINER:
        drivers.image(STABLE)
    else:
        words = tuple(f"{key}={value}" for key, value in drivers.get(name).variables.items())
        words += ("builder_driver=remote", f"images={','.join(FEW)}")
    box = new_sandbox()
    environment = {**os.environ, "DOCKER_HOST": engine.host, "SANDBOX_DIR": str(box.directory)}
    yield User(box, name, words, environment | {"STATE_DIR": str(tmp_path)})
    # The sandbox stops its containers on the engine that DOCKER_HOST names.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.host)
        servers.remove(box)


@pytest.mark.engine
@pytest.mark.usefixtures("sandbox")
def test_the_first_command_works_as_it_stands(tmp_path: Path) -> None:
    box = new_sandbox()
    user = User(box, "", (), {**os.environ, "SANDBOX_DIR": str(box.directory), "STATE_DIR": str(tmp_path)})
    try:
        assert f"{COUNT} images: {COUNT} built" in user.doitw("sandbox", "push_all")
        assert f"{COUNT} images: {COUNT} current" in user.doitw("sandbox", "push_all")
    finally:
        servers.remove(box)


def test_the_first_command_works_with_another_driver(user: User) -> None:
    first = user.doitw("sandbox", "push_all", *user.words)
    assert f"{user.count} images: {user.count} built" in first
    assert "cannot boot" not in first
    assert (user.box.builder in user.containers) == (user.driver == CONTAINER)
    assert f"{user.count} images: {user.count} current" in user.doitw("sandbox", "push_all", *user.words)
    user.doitw("sandbox:stop")
    assert user.box.builder not in user.containers
