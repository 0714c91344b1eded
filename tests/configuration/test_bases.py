from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import bases
from tasks.errors import CatalogueError

DIGEST = f"sha256:{'0f' * 32}"

REFERENCES = st.from_regex(r"[a-z0-9][a-z0-9./:-]{0,30}", fullmatch=True)
DIGESTS = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(st.dictionaries(REFERENCES, DIGESTS, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, digests: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("lock") / "sleeper.yaml.lock"
    bases.write(path, digests)
    assert digests == bases.read(path)


def test_the_order_in_which_bases_were_found_is_of_no_account(tmp_path: Path) -> None:
    bases.write(tmp_path / "a", {"x:1": DIGEST, "a:1": DIGEST})
    bases.write(tmp_path / "b", {"a:1": DIGEST, "x:1": DIGEST})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_a_file_nothing_is_locked(tmp_path: Path) -> None:
    assert bases.read(tmp_path / "absent") == {}


def test_every_fault_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "sleeper.yaml.lock"
    path.write_text(f"# comment\n\nubuntu:24.04\n-x {DIGEST}\na:1 sha256:0\nb:1 {DIGEST}\nb:1 {DIGEST}\n")
    with pytest.raises(CatalogueError) as caught:
        bases.read(path)
    assert [line.removeprefix(f"{path}:").partition(": ")[::2] for line in caught.value.message.splitlines()] == [
        ("3", "'ubuntu:24.04' must be <reference> sha256:<64 hexadecimal digits>"),
        ("4", "'-x' is not an image reference"),
        ("5", "'sha256:0' is not a sha256 digest"),
        ("7", "duplicate 'b:1'"),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_a_lock_or_a_catalogue_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("lock") / "lock"
    path.write_bytes(content)
    try:
        read = bases.read(path)
    except CatalogueError:
        return
    assert all(digest.startswith("sha256:") for digest in read.values())


def test_a_lock_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    bases.write(path, {"a:1": DIGEST})
    with pytest.raises(CatalogueError, match="cannot be written"):
        bases.write(path, {"b:1": "latest"})
    assert bases.read(path) == {"a:1": DIGEST}


def test_writing_leaves_nothing_but_the_lock_which_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    bases.write(path, {"a:1": DIGEST})
    assert [path] == list(tmp_path.iterdir())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_lock_in_what_is_no_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CatalogueError, match=r"the lock .* cannot be written: Not a directory"):
        bases.write(tmp_path / "file" / "lock", {})
