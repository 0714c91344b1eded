"""What the task tells of a sandbox that it started, to those who have to know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox import servers
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.configuration import catalogue, settings
from tasks.errors import LockedError
from tasks.run_context import RunContext
from tasks.sandbox import tasks
from tests.integration.project import CHECKOUT

pytestmark = pytest.mark.integration


def started(context: RunContext) -> dict[str, Any]:
    """Run the task's action as doit does."""
    task = next(task for task in tasks(context) if task["basename"] == "sandbox")
    ((function, arguments),) = task["actions"]
    values = function(*arguments)
    assert isinstance(values, dict)
    return values


@pytest.fixture
def context(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> RunContext:  # noqa: ARG001  # It runs.
    found = settings.load({"state_dir": str(tmp_path)}, {}, tmp_path)
    return RunContext.of(found, catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml"), sandbox, {})


def test_alone_it_says_where_everything_is_and_what_to_do_next(context: RunContext) -> None:
    context.ask(pushes=(), loads=())
    note = started(context)["note"]
    for expected in (str(context.sandbox.scripts_dir), context.sandbox.docker_registry, context.sandbox.endpoint_url):
        assert expected in note
    assert "next: ./doitw sandbox push_all" in note


def test_until_the_run_ends_another_cannot_stop_it(context: RunContext) -> None:
    context.ask(pushes=context.selected, loads=())
    run_of_it = list(tasks(context))
    ((function, arguments),) = run_of_it[0]["actions"]
    function(*arguments)
    with pytest.raises(LockedError, match="in use"):
        servers.stop(context.sandbox)


def test_before_a_push_it_says_nothing(context: RunContext) -> None:
    context.ask(pushes=context.selected, loads=())
    assert "note" not in started(context)
