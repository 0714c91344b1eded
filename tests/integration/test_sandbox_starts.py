"""A start that fails, and a stop that would pull the servers away from a run."""

from __future__ import annotations

import http
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from sandbox import ecr, servers
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from sandbox.process import Server
from tasks.errors import EngineError, LockedError
from tasks.system import processes
from tests.integration.api import basic, client, create
from tests.integration.conftest import new_sandbox, start
from tests.integration.test_sandbox import ask, command_lines, pids, registry_image  # noqa: F401  # A fixture.

pytestmark = pytest.mark.integration


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox that one test may stop and remove; it does not run yet."""
    box = new_sandbox()
    yield box
    servers.remove(box)


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that another program listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        yield taken.getsockname()[1]


@pytest.mark.usefixtures("registry_image")
def test_an_engine_on_another_machine_has_the_registry_where_clients_expect_it(
    engine: Engine, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    # As docker info says it of an engine in a virtual machine.
    monkeypatch.setattr(socket, "gethostname", lambda: "another-machine")

    start(own)

    listed = processes.check(["docker", "port", own.registry_container], environment=engine.environment, next_step="")
    assert listed.output.split()[-1] == own.docker_registry
    assert ask(own, "/v2/", basic().removeprefix("Basic "))[0] == http.HTTPStatus.OK
    assert client(own).describe_repositories()["repositories"] == []


@pytest.mark.usefixtures("sandbox")
def test_a_start_that_fails_ends_what_it_began(own: Sandbox, listener: int) -> None:
    clash = replace(own, api_port=listener)

    with pytest.raises(EngineError, match=str(listener)):
        servers.start(clash, ())

    assert command_lines(clash) == []


def test_a_start_that_fails_leaves_what_ran_before(own: Sandbox, listener: int) -> None:
    start(own)
    ecr.stop(own)
    before = pids(own)

    with pytest.raises(EngineError, match=str(listener)):
        servers.start(replace(own, api_port=listener), ())

    assert pids(own) == before
    assert before["registry"] is not None


def test_a_sandbox_that_a_run_uses_is_not_stopped(sandbox: Sandbox) -> None:
    before = pids(sandbox)

    with servers.used(sandbox), pytest.raises(LockedError, match=f"in use: .* process {os.getpid()}"):
        servers.stop(sandbox)

    assert pids(sandbox) == before


def test_repositories_survive_a_stop(own: Sandbox) -> None:
    start(own)
    create(own, "kept/immutable", imageTagMutability="IMMUTABLE")
    create(own, "kept/deleted")
    client(own).delete_repository(repositoryName="kept/deleted")

    servers.stop(own)
    start(own)

    (found,) = client(own).describe_repositories()["repositories"]
    assert (found["repositoryName"], found["imageTagMutability"]) == ("kept/immutable", "IMMUTABLE")


def test_repositories_survive_a_kill(own: Sandbox) -> None:
    start(own)
    create(own, "kept/one")
    for name in ("aws", "front"):
        pid = Server(name, own.state, own.logs).pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    start(own)

    assert [one["repositoryName"] for one in client(own).describe_repositories()["repositories"]] == ["kept/one"]
