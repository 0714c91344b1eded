from pathlib import Path

import pytest
from doit.dependency import Dependency, JSONCodec, SqliteDB
from doit.task import Task

from tasks.graph.file_dependencies import NeverChanged, record


@pytest.fixture
def dependencies() -> Dependency:
    return Dependency(SqliteDB, ":memory:", checker_cls=NeverChanged, codec_cls=JSONCodec)


def status(dependencies: Dependency, task: Task) -> str:
    return str(dependencies.get_status(task, {}).status)


@pytest.mark.parametrize("uptodate", [True, False])
@pytest.mark.parametrize("change", ["none", "edited", "removed", "never there"])
def test_doit_follows_uptodate_whatever_happens_to_the_files(
    dependencies: Dependency, tmp_path: Path, uptodate: bool, change: str
) -> None:
    file = tmp_path / "a.jar"
    if change != "never there":
        file.write_text("first")
    task = Task("push:ingest", None, file_dep=[str(file)], uptodate=[(lambda: uptodate, [])])
    record(dependencies, [task])
    if change == "edited":
        file.write_text("second")
    elif change == "removed":
        file.unlink()
    assert status(dependencies, task) == ("up-to-date" if uptodate else "run")


def test_without_a_record_doit_runs_a_task_for_its_files(dependencies: Dependency, tmp_path: Path) -> None:
    # The reason for `record`; if doit stops this, it can go.
    task = Task("push:ingest", None, file_dep=[str(tmp_path / "a.jar")], uptodate=[(lambda: True, [])])
    assert status(dependencies, task) == "run"


def test_a_task_without_uptodate_and_files_still_runs(dependencies: Dependency) -> None:
    task = Task("sandbox", [(print, [])])
    record(dependencies, [task])
    assert status(dependencies, task) == "run"


def test_no_file_is_read(dependencies: Dependency, tmp_path: Path) -> None:
    # A directory in place of the file: opening it would fail.
    task = Task("push:ingest", None, file_dep=[str(tmp_path)], uptodate=[(lambda: True, [])])
    record(dependencies, [task])
    assert status(dependencies, task) == "up-to-date"
