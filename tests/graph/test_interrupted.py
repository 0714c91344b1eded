"""A signal while a command waits for a registry that is silent."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from tests.graph.conftest import CHECKOUT, Graph

pytestmark = pytest.mark.graph


@pytest.mark.parametrize(
    "words", ["plan", "why ingest", "status", "digests", "info push:ingest", "list --all --status push", "push_all"]
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_that_waits(graph: Graph, words: str, number: signal.Signals, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        asking = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=f"127.0.0.1:{silent.getsockname()[1]}")
        running = subprocess.Popen(
            [sys.executable, "-m", "tasks", *words.split()],
            cwd=CHECKOUT, env=asking.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        connection, _ = silent.accept()
        with connection:
            running.send_signal(number)
            said, _ = running.communicate(timeout=30)
    assert running.returncode == code, said
    assert "Traceback" not in said
