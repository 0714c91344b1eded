import contextlib
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import pytest

from tasks.errors import LockedError
from tasks.system import lock


def _hold(path: Path, shared: bool, ready: Connection) -> None:
    with lock.held(path, shared=shared):
        ready.send("held")
        ready.recv()


class Holder:
    def __init__(self, path: Path, *, shared: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_hold, args=(path, shared, theirs))
        self.process.start()
        assert self.pipe.recv() == "held"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # One that was told to go on, or was killed, may have ended by now.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send("go")
        self.process.join()
        self.process.close()
        self.pipe.close()


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock") as holder, pytest.raises(LockedError) as fault, lock.held(tmp_path / "lock"):
        pass
    assert f"process {holder_pid(fault.value)} (" in fault.value.message
    assert holder is not None


def holder_pid(error: LockedError) -> str:
    return error.message.partition("process ")[2].partition(" ")[0]


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    with lock.held(tmp_path / "lock"):
        pass
    with lock.held(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text().startswith(f"{os.getpid()} ")


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock") as holder:
        pid = holder.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        holder.process.join()
        with lock.held(tmp_path / "lock"):
            pass


def test_waiting_gets_the_lock_once_it_is_free(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock") as holder:
        holder.pipe.send("go")
        with lock.held(tmp_path / "lock", wait=30):
            pass


def test_those_who_share_hold_it_together(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock", shared=True), lock.held(tmp_path / "lock", shared=True):
        pass


def test_one_who_shares_keeps_out_one_who_does_not(tmp_path: Path) -> None:
    with Holder(tmp_path / "lock", shared=True), pytest.raises(LockedError), lock.held(tmp_path / "lock"):
        pass


def test_a_lock_file_that_cannot_be_created_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(LockedError, match="cannot be created") as fault, lock.held(tmp_path / "state" / "lock"):
        pass
    assert "free some disk space" in fault.value.next_step
