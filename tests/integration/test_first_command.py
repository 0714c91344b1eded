"""The README's first command on a machine whose engine answers, with a builder of each driver."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import servers
from sandbox.engine import Engine
from sandbox.layout import BUILDER, Sandbox
from tasks import run
from tests.integration.conftest import new_sandbox
from tests.integration.drivers import CONTAINER, NAMES, REMOTE, STABLE, Drivers
from tests.integration.project import CHECKOUT

pytestmark = [pytest.mark.integration, pytest.mark.engine]


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
        return 3 if self.driver == REMOTE else 20

    def doitw(self, *words: str) -> str:
        """Run ./doitw, which must succeed; return what it printed."""
        command = [str(CHECKOUT / "doitw"), *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def containers(self) -> str:
        """The containers on the engine."""
        return run.check(["docker", "ps", "--all"], environment=self.environment, next_step="").output


@pytest.fixture(params=NAMES)
def user(
    request: pytest.FixtureRequest, drivers: Drivers, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[User]:
    """A user with a builder of each driver; docker-container is the usual one, where BuildKit's image can be had."""
    name = request.param
    if not drivers.can(name):
        pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
    if name == CONTAINER:
        drivers.image(STABLE)
        words: tuple[str, ...] = ()
    else:
        given = {"BUILDER_DRIVER": name, **drivers.get(name).variables}
        words = tuple(f"{key}={value}" for key, value in given.items() if key != "BUILDER")
    if name == REMOTE:
        words += ("IMAGES=ingest,statestore-committer,query-lambda",)
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    box = new_sandbox()
    environment = {**os.environ, "SANDBOX_DIR": str(box.directory), "STATE_DIR": str(tmp_path)}
    yield User(box, name, words, environment)
    servers.remove(box)


def test_the_first_command_pushes_all_images_and_the_second_none(user: User) -> None:
    first = user.doitw("sandbox", "push_all", *user.words)
    assert f"{user.count} images: {user.count} built" in first
    assert "cannot boot" not in first
    assert (BUILDER in user.containers) == (user.driver == CONTAINER)
    assert f"{user.count} images: {user.count} current" in user.doitw("sandbox", "push_all", *user.words)
    user.doitw("sandbox:stop")
    assert BUILDER not in user.containers
