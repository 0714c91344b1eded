import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from doit.dependency import JSONCodec
from doit.exceptions import InvalidCommand

from tasks.graph.checker import LISTED
from tasks.graph.ledger import Ledger


def ledger(path: Path) -> Ledger:
    return Ledger(str(path), JSONCodec())


def save(where: Ledger, task: str, value: str) -> None:
    where.set(task, "_values_:", {"digest": value})
    where.set(task, "deps:", [])


def read(path: Path, task: str) -> object:
    opened = ledger(path)
    try:
        return opened.get(task, "_values_:")
    finally:
        opened.dump()


def test_a_saved_task_is_read_back(tmp_path: Path) -> None:
    opened = ledger(tmp_path / "new" / "doit.db")
    save(opened, "push:ingest", "one")
    opened.dump()
    assert read(tmp_path / "new" / "doit.db", "push:ingest") == {"digest": "one"}


def test_a_task_is_on_disk_as_soon_as_it_is_saved_even_if_the_process_is_killed(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from tests.doit.test_ledger import ledger, save
        from pathlib import Path
        save(ledger(Path({str(tmp_path)!r}) / "doit.db"), "push:ingest", "one")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, cwd=os.fspath(ROOT))
    assert killed.returncode == -signal.SIGKILL
    assert read(tmp_path / "doit.db", "push:ingest") == {"digest": "one"}


ROOT = Path(__file__).parents[2]


def test_removing_a_task_holds_no_lock(tmp_path: Path) -> None:
    first = ledger(tmp_path / "doit.db")
    save(first, "push:ingest", "one")
    first.remove("push:ingest")
    second = ledger(tmp_path / "doit.db")
    save(second, "push:query", "two")
    second.dump()
    first.dump()
    assert read(tmp_path / "doit.db", "push:ingest") is None
    assert read(tmp_path / "doit.db", "push:query") == {"digest": "two"}


def test_two_runs_keep_each_others_tasks(tmp_path: Path) -> None:
    first, second = ledger(tmp_path / "doit.db"), ledger(tmp_path / "doit.db")
    save(first, "a", "1")
    save(second, "b", "2")
    second.dump()
    first.dump()
    assert (read(tmp_path / "doit.db", "a"), read(tmp_path / "doit.db", "b")) == ({"digest": "1"}, {"digest": "2"})


@pytest.mark.parametrize("content", [b"this is no database", b"\0" * 4096])
def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "doit.db").write_bytes(content)
    save(opened := ledger(tmp_path / "doit.db"), "a", "1")
    opened.dump()
    assert read(tmp_path / "doit.db", "a") == {"digest": "1"}
    assert (tmp_path / "doit.db.unreadable").read_bytes() == content


def test_forgetting_everything_is_written_at_once(tmp_path: Path) -> None:
    opened = ledger(tmp_path / "doit.db")
    save(opened, "a", "1")
    opened.remove_all()
    with sqlite3.connect(tmp_path / "doit.db") as other:
        count = other.execute("select count(*) from doit").fetchone()
    other.close()
    opened.dump()
    assert count == (0,)


def test_a_file_is_never_news_and_what_was_saved_of_a_task_is_kept(tmp_path: Path) -> None:
    opened = ledger(tmp_path / "doit.db")
    opened.set("push:ingest", "_values_:", {"digest": "one"})
    opened.set("push:ingest", "deps:", ["/scripts/a.jar"])
    known = [opened.get("push:ingest", name) for name in ("_values_:", "deps:", "/scripts/a.jar", "/never/seen")]
    opened.dump()
    assert known == [{"digest": "one"}, None, LISTED, LISTED]


def test_a_full_disk_ends_no_run_and_is_told_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opened = ledger(tmp_path / "doit.db")
    save(opened, "a", "kept")
    opened._conn.execute("pragma max_page_count = 2")
    save(opened, "b", "x" * 1_000_000)
    opened.remove("a")
    opened.dump()
    assert "database or disk is full; nothing depends on it" in capsys.readouterr().err
    assert read(tmp_path / "doit.db", "b") is None


def test_a_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(InvalidCommand, match="set STATE_DIR to another directory"):
        ledger(tmp_path / "state" / "doit.db")
