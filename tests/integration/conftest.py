"""A sandbox of the test session's own: engine, registry and ECR API, started once and stopped at the end."""

from __future__ import annotations

import math
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

import pytest

from sandbox import servers
from sandbox.engine import Engine
from sandbox.layout import Sandbox, defaults
from sandbox.loopback import taken
from tasks.configuration import catalogue
from tasks.errors import CommandError, EngineError
from tasks.system import lock, processes
from tests.integration.drivers import NAMES as DRIVER_NAMES
from tests.integration.drivers import Driver, Drivers
from tests.integration.project import SLEEPER


@pytest.fixture(scope="session", autouse=True)
def capable_engine() -> Iterator[None]:
    """Hide an engine that has no containerd image store: its own builder, which tests build with, cannot do enough."""
    with pytest.MonkeyPatch.context() as patch:
        if _is_incapable():
            patch.setenv("DOCKER_HOST", "unix:///hidden/as/it/has/no/containerd/image/store.sock")
            patch.setenv("DOCKER_CONTEXT", "default")
        yield


@pytest.fixture(scope="session")
def sandbox(capable_engine: None) -> Iterator[Sandbox]:  # noqa: ARG001  # It comes first.
    """A sandbox that runs; its ports and its directory are no other's."""
    box = new_sandbox()
    # pytest winds up after an interrupt, but not after a SIGTERM.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        start(box)
        yield box
    finally:
        servers.remove(box)
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def engine(sandbox: Sandbox) -> Engine:
    """The sandbox's engine; its `environment` is the whole one of a command, with nothing of the user's AWS in it."""
    return usable(sandbox, servers.start(sandbox, ()))


@pytest.fixture(scope="session")
def drivers(engine: Engine) -> Iterator[Drivers]:
    """Builders of every driver on the sandbox's engine."""
    directory = Path(tempfile.mkdtemp(prefix="brg-"))
    made = Drivers(engine, directory)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(directory)


@pytest.fixture(scope="session", params=DRIVER_NAMES)
def driver(request: pytest.FixtureRequest, drivers: Drivers) -> Driver:
    """A builder of each driver; a test with this fixture runs once with each."""
    if not drivers.can(request.param):
        pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
    return drivers.get(request.param)


@pytest.fixture(scope="session")
def registry_disk(sandbox: Sandbox) -> Path:
    """Where the sandbox's registry keeps its repositories: `docker/registry/v2/repositories/<name>/…` below it."""
    return sandbox.registry_disk


def _is_incapable() -> bool:
    """Return whether an engine answers that has no containerd image store."""
    try:
        done = processes.run(["docker", "info", "--format", "{{.ServerVersion}} {{json .DriverStatus}}"])
    except CommandError:
        return False  # docker is not installed.
    # Without an engine, older ones end with 0, too.
    version, _, store = done.output.partition(" ")
    return done.code == 0 and bool(version) and "io.containerd.snapshotter" not in store


def usable(box: Sandbox, found: Engine) -> Engine:
    """Return an engine with the whole environment of a command that uses it and the sandbox's ECR API."""
    return replace(found, environment=box.environment(os.environ) | dict(found.environment))


def new_sandbox() -> Sandbox:
    """Return a sandbox that does not run, in a new directory with a short path, with ports that nobody listens at."""
    while True:
        box = defaults(Path(tempfile.mkdtemp(prefix="sbx-")))
        if not taken(box.registry_port) and not taken(box.api_port):
            return box
        box.directory.rmdir()


def start(box: Sandbox) -> Engine:
    """Start a sandbox with all of Sleeper's images; without an engine that is a failure in CI, and else a skip."""
    try:
        # Tests run in several processes, and one of them installs what all need.
        with lock.held(Path(tempfile.gettempdir()) / f"sleeper-images-tests-{os.getuid()}.lock", math.inf):
            return servers.start(box, catalogue.load(SLEEPER).images)
    except EngineError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  # A signal handler's signature.
    raise KeyboardInterrupt
