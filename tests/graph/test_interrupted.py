"""A signal while a command waits for a registry that is silent, while it imports what it needs, and at its end."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.graph.conftest import CHECKOUT, Graph
from tests.graph.registry import holding_everything

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


# Python imports this at its start; it sends a signal when a module of that name is imported, or at the end.
AT = """
import atexit, os, sys
name, number = os.environ["AT"], int(os.environ["NUMBER"])
class Finder:
    def find_spec(self, module, path=None, target=None):
        if module == name:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), number)
sys.meta_path.insert(0, Finder())
if name == "the end":
    atexit.register(os.kill, os.getpid(), number)
"""

MODULES = [
    "tasks.commands.main", "doit.cmd_base", "doit.cmd_run", "tasks.commands.plan", "tasks.run_context", "yaml", "dodo",
    "tasks.decisions", "urllib3", "the end",
]  # fmt: skip


# Only a run imports its reporter.
@pytest.mark.parametrize(
    ("command", "module"), [*(("plan", module) for module in MODULES), ("push_all", "tasks.report")]
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_an_import_or_at_the_end_shows_no_traceback(
    graph: Graph, tmp_path: Path, *, command: str, module: str, number: signal.Signals, code: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT)
    with holding_everything() as registry:
        given = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry))
        done = given.given(PYTHONPATH=str(tmp_path), AT=module, NUMBER=str(int(number))).doit(command)
    assert done.code == code, done.text
    assert done.err == ""


@pytest.mark.skipif(shutil.which("env") is None, reason="there is no env")
def test_a_signal_that_came_before_python_began_ends_it(graph: Graph) -> None:
    held = subprocess.run(["env", "--block-signal=INT", "true"], capture_output=True, check=False)
    if held.returncode != 0:
        pytest.skip("env cannot hold a signal back")
    program = f'kill -INT $$; exec "{sys.executable}" -m tasks list'
    done = subprocess.run(
        ["env", "--block-signal=INT", "sh", "-c", program],
        cwd=CHECKOUT, env={**graph.environment, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
