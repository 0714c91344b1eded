"""Servers that outlive the run that started them. They are known by process ID and start time, to signal no others.

A record is written right after the start. A process ID that another process has now has another start time; one from
before a reboot has another boot ID.
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
"""How often a server that starts or stops is checked."""

STOP_SECONDS = 15.0
"""How long a server has to end after SIGTERM before it is killed; dockerd takes one or two seconds."""

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Server:
    """A server of the sandbox.

    Attributes:
        name: its name, also that of its record and its log.
        state: the directory of the records.
        logs: the directory of the logs.
    """

    name: str
    state: Path
    logs: Path

    @property
    def log(self) -> Path:
        """The log of the server."""
        return self.logs / f"{self.name}.log"

    @property
    def record(self) -> Path:
        """The file that records which process it is."""
        return self.state / f"{self.name}.json"

    def pid(self) -> int | None:
        """Return the process ID of the server; None if it does not run."""
        try:
            saved = json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            # A partial record: the machine went down while it was written, and the server with it.
            return None
        return saved["pid"] if identity(saved["pid"]) == saved["identity"] else None

    def start(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the server and record its process; its last log is removed.

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
            EngineError: it ended, or did not answer in time; the message has the end of its log.
        """
        if not wait_until(lambda: answers() or self.pid() is None, seconds):
            raise EngineError(f"{self.name} did not answer within {seconds:.0f} s\n{self._tail()}", f"see {self.log}")
        if self.pid() is None:
            raise EngineError(f"{self.name} ended right after its start\n{self._tail()}", f"see {self.log}")

    def stop(self) -> None:
        """End the server, by SIGTERM and then SIGKILL, and remove its record.

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
    """Wait until a condition holds, at most so many seconds; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def identity(pid: int) -> str | None:
    """Return what identifies a process among all that ever had its ID; None if it does not run."""
    if not _PROC.joinpath("self/stat").exists():
        return _identity_by_ps(pid)
    try:
        stat = _PROC.joinpath(str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): after the name in parentheses, which may be any text, the third field is the state (a zombie has
    # ended), and the 22nd the start time.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()} {fields[19]}"


def _identity_by_ps(pid: int) -> str | None:
    done = processes.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], environment={**os.environ, "LC_ALL": "C"})
    state, _, started = done.output.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()
