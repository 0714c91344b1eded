"""The sandbox of the integration tests, one of this directory's own, and a place for faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests.faults.place import SIX, Place, place
from tests.faults.truth import IMAGES
from tests.integration.conftest import capable_engine, driver, drivers, engine, sandbox
from tests.integration.drivers import BY_DIGEST, Driver, Drivers

__all__ = ["capable_engine", "driver", "drivers", "engine", "sandbox"]


@pytest.fixture
def there(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Iterator[Place]:
    """A place of a test's own, of six images, with nothing in its registry."""
    with place(tmp_path, sandbox, engine, SIX) as found:
        yield found


@pytest.fixture(scope="module")
def pushed(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place that the tests of a module share, with all images pushed; each test leaves it repaired."""
    with place(tmp_path_factory.mktemp("faults"), sandbox, engine, PARALLEL="8") as found:
        found.repair()
        yield found


@pytest.fixture(scope="session", params=BY_DIGEST)
def by_digest(request: pytest.FixtureRequest, drivers: Drivers) -> Driver:
    """A builder of each driver that pushes by digest."""
    if not drivers.can(request.param):
        pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
    return drivers.get(request.param)


@pytest.fixture
def bridged(sandbox: Sandbox, engine: Engine, by_digest: Driver, tmp_path: Path) -> Iterator[Place]:
    """A place of a test's own, of six images, that builds with one of these drivers."""
    with place(tmp_path, sandbox, engine, SIX, **dict(by_digest.variables)) as found:
        yield found


@pytest.fixture(scope="module")
def pushed_by_digest(
    sandbox: Sandbox, engine: Engine, by_digest: Driver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A place as `pushed` that builds with one of these drivers."""
    variables = {**by_digest.variables, "PARALLEL": "8"}
    with place(tmp_path_factory.mktemp(by_digest.name), sandbox, engine, IMAGES, **variables) as found:
        found.repair()
        yield found
