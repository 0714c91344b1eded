"""Servers that survive the run that started them: known by process id and start time, so that no other is signalled.

A record is written at once after the start. A process id that was given to another process since has another start
time, and one from before a reboot another boot id.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import CommandError, EngineError
from tasks.system import files, processes

POLL_SECONDS = 0.02
"""How often a server that starts or stops is looked at."""

STOP_SECONDS = 15.0
"""How long a server gets to end after SIGTERM before it is killed; dockerd takes one or two."""

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Server:
    """A server of the sandbox.

    Attributes:
        name: what people call it; its record and its log are named so.
        state: the directory of the records.
        logs: the directory of the logs.
    """

    name: str
    state: Path
    logs: Path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.logs / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """Which process it is."""
        return self.state / f"{self.name}.json"

    def pid(self) -> int | None:
        """Return the process id of the server if it runs."""
        try:
            saved = json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            # A half-written record: the machine went down while it was written, and the server with it.
            return None
        return saved["pid"] if identity(saved["pid"]) == saved["identity"] else None

    def start(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the server and write down which process it is; its last run's log makes room.

        Raises:
            EngineError: it could not be started.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        try:
            pid = processes.spawn(argv, environment=environment, log=self.log)
        except CommandError as fault:
            raise EngineError(fault.message, fault.next_step) from fault
        files.replace(self.record, json.dumps({"pid": pid, "identity": identity(pid), "argv": list(argv)}))

    def await_answer(self, answers: Callable[[], bool], seconds: float) -> None:
        """Wait until the server answers.

        Raises:
            EngineError: it ended, or did not answer in time; with the end of its log.
        """
        if not wait_until(lambda: answers() or self.pid() is None, seconds):
            raise EngineError(f"{self.name} did not answer in {seconds:.0f} s\n{self._tail()}", f"see {self.log}")
        if self.pid() is None:
            raise EngineError(f"{self.name} ended as soon as it was started\n{self._tail()}", f"see {self.log}")

    def stop(self) -> None:
        """End the server if it runs, by SIGTERM and then SIGKILL, and forget it.

        Raises:
            EngineError: it belongs to another user.
        """
        pid = self.pid()
        if pid is not None and not self._end(pid, signal.SIGTERM, STOP_SECONDS):
            self._end(pid, signal.SIGKILL, STOP_SECONDS)
        self.record.unlink(missing_ok=True)

    def _end(self, pid: int, step: signal.Signals, seconds: float) -> bool:
        """Signal the process and wait until it is gone; return whether it is."""
        try:
            os.kill(pid, step)
        except ProcessLookupError:
            return True
        except PermissionError:
            raise EngineError(
                f"{self.name} (pid {pid}) belongs to another user", f"end it as that user: kill {pid}"
            ) from None
        return wait_until(lambda: self.pid() is None, seconds)

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join("    " + line for line in lines[-processes.TAIL_LINES :])


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; return whether it does, after that many seconds at most."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def identity(pid: int) -> str | None:
    """Return what tells the process `pid` from every other one that ever had this id; None where none runs."""
    if not _PROC.joinpath("self/stat").exists():
        return _identity_by_ps(pid)
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): the name in parentheses may hold anything; then come the state (a zombie has ended), as the
    # third field, and as the 22nd the start time.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()} {fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    done = processes.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], environment={**os.environ, "LC_ALL": "C"})
    state, _, started = done.output.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
