import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import process
from sandbox.process import Server, identity, wait_until
from tasks.errors import EngineError
from tasks.system import processes

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server("sleeper", tmp_path / "state", tmp_path / "log")
    yield made
    made.stop()


def stranger(server: Server) -> int:
    """Start a process that the server's record names, but with another start time."""
    pid = processes.spawn(SLEEPER, environment=os.environ, log=server.log)
    server.record.parent.mkdir()
    server.record.write_text(json.dumps({"pid": pid, "identity": "another boot 1", "argv": []}))
    return pid


def test_a_started_server_runs_in_a_session_of_its_own(server: Server) -> None:
    server.start(SLEEPER, os.environ)

    pid = server.pid()

    assert pid is not None
    assert os.getsid(pid) == pid


def test_another_run_finds_the_server_by_its_record(server: Server) -> None:
    server.start(SLEEPER, os.environ)

    assert Server(server.name, server.state, server.logs).pid() == server.pid()


def test_a_stopped_server_is_gone(server: Server) -> None:
    server.start(SLEEPER, os.environ)
    pid = server.pid()
    assert pid is not None

    server.stop()

    assert identity(pid) is None
    assert server.pid() is None


def test_a_server_that_ignores_sigterm_is_killed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_SECONDS", 0.1)
    server.start(DEAF, os.environ)
    server.await_answer(lambda: "\ndeaf" in server.log.read_text(), 30)
    pid = server.pid()
    assert pid is not None

    server.stop()

    assert wait_until(lambda: identity(pid) is None, 10)


def test_a_process_that_got_the_id_of_a_dead_server_is_not_taken_for_it(server: Server) -> None:
    pid = stranger(server)
    try:
        assert server.pid() is None
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_process_that_got_the_id_of_a_dead_server_is_not_signalled(server: Server) -> None:
    pid = stranger(server)
    try:
        server.stop()

        assert identity(pid) is not None
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_record_cut_short_is_no_server(server: Server) -> None:
    server.state.mkdir()
    server.record.write_text('{"pid": 12')

    assert server.pid() is None


def test_a_server_that_ends_at_once_says_why(server: Server) -> None:
    server.start([sys.executable, "-c", "raise SystemExit('the port is taken')"], os.environ)

    with pytest.raises(EngineError, match="the port is taken") as fault:
        server.await_answer(lambda: False, 30)

    assert str(server.log) in fault.value.next_step


def test_a_server_that_does_not_answer_in_time_is_an_error(server: Server) -> None:
    server.start(SLEEPER, os.environ)

    with pytest.raises(EngineError, match="did not answer"):
        server.await_answer(lambda: False, 0.05)


def test_a_program_that_is_not_there_is_an_error_that_names_it(server: Server) -> None:
    with pytest.raises(EngineError, match="no-such-program"):
        server.start(["no-such-program"], os.environ)
