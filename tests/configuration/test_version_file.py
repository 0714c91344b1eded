from __future__ import annotations

from pathlib import Path

import pytest

from tasks.configuration import version_file
from tasks.errors import SettingsError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    return tmp_path / version_file.PLACE


def test_without_a_file_there_is_no_version(tmp_path: Path) -> None:
    assert version_file.read(tmp_path) is None
    (tmp_path / "templates").write_text("a file where the directory should be")
    assert version_file.read(tmp_path) is None


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, place: Path) -> None:
    place.mkdir()
    with pytest.raises(SettingsError, match=r"version\.txt cannot be read: Is a directory") as caught:
        version_file.read(tmp_path)
    assert "VERSION" in caught.value.next_step


@pytest.mark.parametrize("content", [b"", b"\n1.0", b"\xff\xfe", b"1" * 5000], ids=["empty", "later", "binary", "long"])
def test_a_first_line_that_can_be_no_tag_is_refused_with_its_place(tmp_path: Path, place: Path, content: bytes) -> None:
    place.write_bytes(content)
    with pytest.raises(SettingsError, match=r"version\.txt:1: "):
        version_file.read(tmp_path)
