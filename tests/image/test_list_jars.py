from __future__ import annotations

import io
import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import settings
from tasks.image.collect import Collected, Collector, list_jars
from tasks.image.jar import content
from tasks.image.jar.cache import Digests
from tasks.model import Image, Kind
from tests import trees

IMAGE = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    sample.make(tmp_path / "scripts", [IMAGE], "1")
    return tmp_path / "scripts"


def collected(scripts: Path, digests: Digests | None = None) -> Collected:
    found = settings.load({"scripts_dir": str(scripts)}, {}, scripts)
    result = Collector(found, {}, digests or Digests(None)).collect([IMAGE])[IMAGE.name]
    assert isinstance(result, Collected)
    return result


def test_a_jar_is_listed_by_its_path_in_the_context(scripts: Path) -> None:
    listing = list_jars(collected(scripts), Digests(None))["lambda.jar"]
    assert listing == {
        name: digest[:12] for name, digest in content.read(scripts / "jars" / "query-1.jar").entries().items()
    }


def test_a_large_jar_that_was_read_alone_is_not_read_again(scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scripts / "jars" / "query-1.jar"
    path.write_bytes(five_megabytes())
    expected = {name: digest[:12] for name, digest in content.read(path).entries().items()}
    digests = Digests(None)
    before = collected(scripts, digests)
    monkeypatch.setattr(content, "read", None)
    assert list_jars(before, digests) == {"lambda.jar": expected}


def test_a_file_that_is_not_a_jar_is_not_listed(scripts: Path) -> None:
    (scripts / "docker" / "lambda" / "notes.txt").write_text("no zip archive")
    assert list(list_jars(collected(scripts), Digests(None))) == ["lambda.jar"]


def test_only_what_is_asked_for_is_read(scripts: Path) -> None:
    assert list_jars(collected(scripts), Digests(None), ["another.jar"]) == {}


def test_a_jar_that_has_changed_since_is_missing(scripts: Path) -> None:
    before = collected(scripts)
    trees.rewrite(scripts / "jars" / "query-1.jar", edited=True)
    assert list_jars(before, Digests(None)) == {}


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"PK\5\6")], ids=["removed", "damaged"])
def test_a_jar_that_cannot_be_read_is_missing(scripts: Path, harm: Callable[[Path], object]) -> None:
    before = collected(scripts)
    harm(scripts / "jars" / "query-1.jar")
    assert list_jars(before, Digests(None)) == {}


def test_entries_are_the_same_with_a_memory_of_what_was_inflated(scripts: Path, tmp_path: Path) -> None:
    path = scripts / "jars" / "query-1.jar"
    path.write_bytes(five_megabytes())
    os.utime(path, ns=(0, time.time_ns() - 10**10))
    before = collected(scripts, Digests(tmp_path / "digests"))
    assert (tmp_path / "digests.inflated").stat().st_size > 1000
    assert list_jars(before, Digests(tmp_path / "digests")) == list_jars(before, Digests(None))


def five_megabytes() -> bytes:
    """A jar large enough for its entries to be remembered."""
    buffer = io.BytesIO()
    chance = random.Random("listing")  # noqa: S311  # Variety, not secrecy.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for number in range(50):
            file.writestr(f"Class{number}.class", chance.randbytes(100_000))
    return buffer.getvalue()
