"""What all tests share.

Property tests run on the same cases each time in CI, so only a change decides; and without a deadline. No test knows
the secrets of another one, which would be missing from its texts.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from tasks.system import secrets

settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("anywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "anywhere")

LONG = {"tests/faults/test_matrix.py", "tests/faults/test_killed.py"}
"""Files whose tests follow one another in one place, and take minutes: they start first."""

SPREAD = {f"tests/faults/test_{name}.py" for name in ("clock", "disk", "engine", "run", "signals", "two")}
"""Files whose tests share nothing: each test runs in whichever process is free, last, so all processes end together."""


@pytest.fixture(autouse=True)
def _no_secrets() -> None:
    secrets.forget()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all`."""
    parser.addoption("--all", action="store_true", help="run the tests marked nightly, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out nightly tests unless `--all` is given; order the files for parallel processes."""
    if not config.getoption("--all"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        items[:] = [item for item in items if item not in nightly]
        config.hook.pytest_deselected(items=nightly)
    items.sort(key=lambda item: (_file(item.nodeid) in SPREAD) - (_file(item.nodeid) in LONG))


class _Spreading(LoadFileScheduling):
    """Gives a file to one process, and a test to one where its file is in SPREAD."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if _file(nodeid) in SPREAD else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    """Distribute tests by file, but for SPREAD."""
    return _Spreading(config, log) if config.getvalue("dist") == "loadfile" else None


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
