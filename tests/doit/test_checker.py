from pathlib import Path

import pytest
from doit.dependency import Dependency, JSONCodec
from doit.task import Task

from tasks.graph.checker import Informative
from tasks.graph.ledger import Ledger


@pytest.fixture
def dependencies(tmp_path: Path) -> Dependency:
    return Dependency(Ledger, str(tmp_path / "doit.db"), checker_cls=Informative, codec_cls=JSONCodec)


def status(dependencies: Dependency, task: Task) -> str:
    return str(dependencies.get_status(task, {}).status)


@pytest.mark.parametrize("uptodate", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("change", ["none", "edited", "removed", "listed anew"])
def test_doit_says_what_uptodate_says_whatever_becomes_of_the_files(
    dependencies: Dependency, tmp_path: Path, uptodate: bool, recorded: bool, change: str
) -> None:
    file = tmp_path / "a.jar"
    file.write_text("first")
    task = Task("push:ingest", None, file_dep=[str(file)], uptodate=[(lambda: uptodate, [])])
    if recorded:
        dependencies.save_success(task)
    if change == "edited":
        file.write_text("second")
    elif change == "removed":
        file.unlink()
    elif change == "listed anew":
        task = Task("push:ingest", None, file_dep=[str(tmp_path / "b.jar")], uptodate=[(lambda: uptodate, [])])
    assert status(dependencies, task) == ("up-to-date" if uptodate else "run")
