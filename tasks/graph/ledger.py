"""doit's own state, in sqlite and written at once.

doit writes its state once, when a run ends, so that a killed run forgets all it did (doit 0.37, runner.py:239-263).
This backend commits after each task. Nothing is decided by it: the registry is the record, and what doit remembers
are values to look up and the files that a task had.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from doit.dependency import DatabaseException, SqliteDB
from doit.exceptions import InvalidCommand

from tasks.graph.checker import LISTED

BUSY_MILLISECONDS = 10_000
"""How long to wait for another process that writes; each write takes well under a millisecond."""

_LAST_KEY = "deps:"
"""The key that doit sets last when it saves a task, the list of its files (doit 0.37, dependency.py:548)."""

_NEXT_STEP = "free some space there or give yourself the right to write it, or set STATE_DIR to another directory"


_reading = threading.Event()


def read_only() -> None:
    """Say that this process only reads: it makes no directory and no file, and works where it may not write."""
    _reading.set()


class Ledger(SqliteDB):
    """doit's sqlite3 backend, committing whenever a task's record is complete or removed.

    A file that is no database, or that another version of doit wrote, is put aside and begun anew: losing it costs
    nothing but a few reads of the registry.
    """

    desc = "sqlite3, written after each task"
    _dirty: set[str]
    _fault = ""

    def __init__(self, name: str, codec: Any, *, module_name: str | None = None) -> None:
        import sqlite3  # noqa: PLC0415  # Only commands that read the state pay for it.

        if _reading.is_set():
            self._open_to_read(name, codec, module_name)
            return
        try:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            self._open(name, codec, module_name)
        except (DatabaseException, sqlite3.DatabaseError, OSError) as fault:
            # doit wraps what sqlite says on opening (doit 0.37, dependency.py:282-290).
            said = fault.__context__ if isinstance(fault, DatabaseException) else fault
            if isinstance(said, sqlite3.OperationalError | OSError):
                # Locked, read-only or full: the file itself may well be sound. doit prints this one as it is.
                raise InvalidCommand(f"{name} cannot be used: {said}\n  next: {_NEXT_STEP}") from None
            Path(name).replace(f"{name}.unreadable")
            for companion in ("-wal", "-shm"):
                Path(name + companion).unlink(missing_ok=True)
            self._open(name, codec, module_name)

    def _open(self, name: str, codec: Any, module_name: str | None) -> None:
        super().__init__(name, codec, module_name=module_name)
        self._conn.execute(f"pragma busy_timeout = {BUSY_MILLISECONDS}")
        # Write-ahead logging lets readers go on while a run writes, and makes a commit one append.
        self._conn.execute("pragma journal_mode = wal")
        self._conn.execute("pragma synchronous = normal")

    def _open_to_read(self, name: str, codec: Any, module_name: str | None) -> None:
        """Copy what is there into memory and write nothing; what cannot be read counts as empty, it decides nothing."""
        import sqlite3  # noqa: PLC0415  # As above.

        # The second reads past a log that another user's run left, which only one who may write can take in.
        for how in ("mode=ro", "immutable=1"):
            super().__init__(":memory:", codec, module_name=module_name)
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(f"file:{quote(name)}?{how}", uri=True)) as source,
            ):
                source.backup(self._conn)
                self._conn.execute("select count(task_data) from doit").fetchone()
                return
        super().__init__(":memory:", codec, module_name=module_name)

    def get(self, task_id: str, dependency: str) -> Any:
        """Return a saved value, but of a task's files always that nothing about them is news.

        doit would run a task for another list of files or for one that it has no record of (doit 0.37,
        dependency.py:680-706), and `doit list --status` would call the images of a fresh clone outdated.
        """
        if dependency == _LAST_KEY:
            return None
        return LISTED if dependency.startswith("/") else super().get(task_id, dependency)

    def set(self, task_id: str, dependency: str, value: object) -> None:
        """Store one value of a task; the record is on disk once its last one is."""
        super().set(task_id, dependency, value)
        if dependency == _LAST_KEY:
            self._write()

    def remove(self, task_id: str) -> None:
        """Forget a task, at once, so that no lock is held while other tasks run."""
        with self._writing():
            super().remove(task_id)

    def remove_all(self) -> None:
        """Forget every task."""
        with self._writing():
            super().remove_all()

    def dump(self) -> None:
        """Write what is left and close the file."""
        self._write()
        with contextlib.closing(self._conn):
            pass
        if self._fault:
            sys.stderr.write(f"note: {self.name} was not written to the end: {self._fault}; nothing depends on it\n")

    def _write(self) -> None:
        with self._writing():
            for task_id in self._dirty:
                self._conn.execute(
                    "insert or replace into doit values (?,?)", (task_id, self.codec.encode(self._cache[task_id]))
                )
        self._dirty = set()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Commit what the block writes; a disk that is full must not end a run that pushes."""
        import sqlite3  # noqa: PLC0415  # As above.

        try:
            yield
            self._conn.commit()
        except sqlite3.OperationalError as fault:
            self._fault = str(fault)
