"""The sandbox of the integration tests, one of this directory's own, and a place for faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests.faults.place import SIX, Place, place
from tests.integration.conftest import driver, drivers, engine, sandbox

__all__ = ["driver", "drivers", "engine", "sandbox"]


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
