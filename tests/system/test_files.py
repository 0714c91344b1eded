from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.system.files import replace


def test_a_file_is_made_with_the_directories_above_it(tmp_path: Path) -> None:
    assert replace(tmp_path / "a" / "b", "text\n")
    assert (tmp_path / "a" / "b").read_text() == "text\n"


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace(path, "text\n")
    os.utime(path, ns=(0, 0))  # A time that no write leaves there.
    before = path.stat()
    assert not replace(path, "text\n")
    # Not the time of the last access: to read the file may change that.
    kept = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns")
    assert [getattr(path.stat(), name) for name in kept] == [getattr(before, name) for name in kept]


def test_another_text_takes_its_place_and_nothing_else_is_left(tmp_path: Path) -> None:
    replace(tmp_path / "a", "old\n")
    assert replace(tmp_path / "a", "new\n")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "new\n")]


def test_a_reader_who_has_it_open_keeps_the_old_content(tmp_path: Path) -> None:
    replace(tmp_path / "a", "old\n")
    with (tmp_path / "a").open() as reader:
        replace(tmp_path / "a", "new and longer\n")
        assert reader.read() == "old\n"


def test_permissions_stay(tmp_path: Path) -> None:
    replace(tmp_path / "a", "old\n")
    (tmp_path / "a").chmod(0o640)
    replace(tmp_path / "a", "new\n")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_umasks_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace(tmp_path / "a", "text\n")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "there" / "b")
    replace(tmp_path / "a", "text\n")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "there" / "b").read_text() == "text\n"


def test_a_link_where_it_is_written_first_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept\n")
    (tmp_path / f".a.{os.getpid()}").symlink_to(tmp_path / "precious")
    replace(tmp_path / "a", "text\n")
    assert (tmp_path / "precious").read_text() == "kept\n"
    assert (tmp_path / "a").read_text() == "text\n"


def test_what_cannot_be_written_leaves_the_old_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        replace(tmp_path / "a", "text\n")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
