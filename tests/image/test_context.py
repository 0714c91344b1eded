from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.errors import MissingInputError, UnreadableInputError
from tasks.image import context
from tasks.image.context import Entry

NOBODY = 65534


def write(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)


def paths(directory: Path, extra: dict[str, Path] | None = None) -> list[str]:
    return [entry.path for entry in context.listing(directory, extra or {})]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory that anybody can reach, seen by a user whom modes bind."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield directory
        finally:
            if user == 0:
                os.seteuid(0)
            for path in directory.iterdir():
                path.chmod(0o700)


def test_files_links_and_directories_are_listed_in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "Dockerfile", "b/c", "b-a", "empty/")
    (tmp_path / "link").symlink_to("b/c")

    assert context.listing(tmp_path) == (
        Entry("Dockerfile", "file", source=tmp_path / "Dockerfile"),
        Entry("b", "directory"),
        Entry("b-a", "file", source=tmp_path / "b-a"),
        Entry("b/c", "file", source=tmp_path / "b/c"),
        Entry("empty", "directory"),
        Entry("link", "symlink", target="b/c"),
    )


@pytest.mark.parametrize("mode", [0o755, 0o644 | 0o100, 0o644 | 0o010, 0o644 | 0o001])
def test_any_of_the_three_bits_makes_a_file_executable(tmp_path: Path, mode: int) -> None:
    write(tmp_path, "run.sh")
    (tmp_path / "run.sh").chmod(mode)

    assert context.listing(tmp_path)[0].executable


def test_a_file_without_any_of_the_three_bits_is_not_executable(tmp_path: Path) -> None:
    write(tmp_path, "run.sh")
    (tmp_path / "run.sh").chmod(0o666)

    assert not context.listing(tmp_path)[0].executable


@pytest.mark.parametrize("target", ["/etc", "..", "nowhere", "dir", "dir//x/"])
def test_a_link_is_listed_with_its_text_and_never_followed(tmp_path: Path, target: str) -> None:
    write(tmp_path, "dir/x")
    (tmp_path / "link").symlink_to(target)

    assert Entry("link", "symlink", target=target) in context.listing(tmp_path)
    assert not any(path.startswith("link/") for path in paths(tmp_path))


def test_ignore_file_and_dockerfile_are_in_the_context_unless_a_pattern_matches(tmp_path: Path) -> None:
    write(tmp_path, "Dockerfile", "a")
    (tmp_path / ".dockerignore").write_text("a")
    assert paths(tmp_path) == [".dockerignore", "Dockerfile"]

    (tmp_path / ".dockerignore").write_text("Dockerfile\n.dockerignore")
    assert paths(tmp_path) == ["a"]


@pytest.mark.parametrize("content", ["b", ""])
def test_the_dockerfiles_own_ignore_file_comes_first_even_if_empty(tmp_path: Path, content: str) -> None:
    write(tmp_path, "Dockerfile", "a", "b")
    (tmp_path / ".dockerignore").write_text("a")
    (tmp_path / "Dockerfile.dockerignore").write_text(content)

    assert "a" in paths(tmp_path)
    assert ("b" in paths(tmp_path)) == (not content)


def test_an_ignore_file_that_is_a_directory_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, "Dockerfile.dockerignore/", "a")
    (tmp_path / ".dockerignore").write_text("a")

    assert paths(tmp_path) == [".dockerignore", "Dockerfile.dockerignore"]


def test_an_ignore_file_may_be_a_link_within_the_directory(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "patterns").write_text("a")
    (tmp_path / ".dockerignore").symlink_to("patterns")

    assert paths(tmp_path) == [".dockerignore", "patterns"]


@pytest.mark.parametrize("target", ["../patterns", "nowhere"])
def test_an_ignore_file_that_is_a_link_to_no_file_of_the_directory_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "patterns").write_text("a")
    write(tmp_path, "build/a")
    (tmp_path / "build/.dockerignore").symlink_to(target)

    with pytest.raises(UnreadableInputError, match=r"build/\.dockerignore is a link"):
        context.listing(tmp_path / "build")


def test_a_directory_that_is_ignored_is_listed_for_what_is_kept_in_it(tmp_path: Path) -> None:
    write(tmp_path, "a/b/c", "a/b/d", "a/e/f", "a/g/")
    (tmp_path / ".dockerignore").write_text("*\n!a/b/c")

    assert paths(tmp_path) == ["a", "a/b", "a/b/c"]


def test_an_extra_file_wins_over_a_file_or_link_of_its_name(tmp_path: Path) -> None:
    write(tmp_path, "jars/query.jar", "lambda/lambda.jar", "lambda/Dockerfile")
    jar = tmp_path / "jars/query.jar"
    expected = Entry("lambda.jar", "file", source=jar)
    assert expected in context.listing(tmp_path / "lambda", {"lambda.jar": jar})

    (tmp_path / "lambda/lambda.jar").unlink()
    (tmp_path / "lambda/lambda.jar").symlink_to("Dockerfile")
    assert expected in context.listing(tmp_path / "lambda", {"lambda.jar": jar})


def test_an_extra_file_is_executable_if_it_is_where_it_lies(tmp_path: Path) -> None:
    write(tmp_path, "tool", "build/")
    (tmp_path / "tool").chmod(0o755)

    assert context.listing(tmp_path / "build", {"t": tmp_path / "tool"})[0].executable


@pytest.mark.parametrize("pattern", ["*.jar", "lib", "**/x.jar", "lib/*"])
def test_the_ignore_file_applies_to_extra_files(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, "x.jar", "build/a")
    (tmp_path / "build/.dockerignore").write_text(f"{pattern}\n.dockerignore\n**/*.jar")

    listed = paths(tmp_path / "build", {"lib/x.jar": tmp_path / "x.jar"})

    assert listed == (["a"] if pattern == "lib" else ["a", "lib"])


def test_an_extra_file_brings_the_directories_that_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, "x.jar", "build/a")
    (tmp_path / "build/.dockerignore").write_text("*\n!lib/inner/x.jar")

    assert paths(tmp_path / "build", {"lib/inner/x.jar": tmp_path / "x.jar"}) == [
        "lib",
        "lib/inner",
        "lib/inner/x.jar",
    ]


@pytest.mark.parametrize(("there", "name"), [("lambda.jar/x", "lambda.jar"), ("lib", "lib/lambda.jar")])
def test_an_added_file_in_the_place_of_a_directory_is_refused(tmp_path: Path, there: str, name: str) -> None:
    write(tmp_path, "x.jar", f"build/{there}")

    with pytest.raises(UnreadableInputError, match=f"build/{name.partition('/')[0]} is a"):
        context.listing(tmp_path / "build", {name: tmp_path / "x.jar"})


def test_an_extra_file_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, "build/a")

    with pytest.raises(MissingInputError, match=r"query\.jar does not exist"):
        context.listing(tmp_path / "build", {"lambda.jar": tmp_path / "query.jar"})


def test_an_extra_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "query.jar/", "build/a")

    with pytest.raises(UnreadableInputError, match=r"query\.jar is not a file"):
        context.listing(tmp_path / "build", {"lambda.jar": tmp_path / "query.jar"})


@pytest.mark.parametrize("path", ["/a", "../a", "a//b", "./a", ""])
def test_an_extra_file_with_no_path_within_the_directory_is_a_bug(tmp_path: Path, path: str) -> None:
    write(tmp_path, "build/a")

    with pytest.raises(ValueError, match="not a path within"):
        context.listing(tmp_path / "build", {path: tmp_path / "build/a"})


def test_a_missing_directory_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="ingest does not exist"):
        context.listing(tmp_path / "ingest")


def test_a_file_is_not_a_build_directory(tmp_path: Path) -> None:
    write(tmp_path, "ingest")

    with pytest.raises(UnreadableInputError, match="ingest is not a directory"):
        context.listing(tmp_path / "ingest")


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_pipe_socket_or_device_is_refused_unless_it_is_ignored(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(tmp_path / "special")
    else:
        here = Path.cwd()
        with socket.socket(socket.AF_UNIX) as server:
            os.chdir(tmp_path)  # A socket's path may not be as long as a test's directory.
            try:
                server.bind("special")
            finally:
                os.chdir(here)
    with pytest.raises(UnreadableInputError, match="special is a pipe, a socket or a device"):
        context.listing(tmp_path)

    (tmp_path / ".dockerignore").write_text("special")
    assert paths(tmp_path) == [".dockerignore"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no names that are not UTF-8")
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()

    with pytest.raises(UnreadableInputError, match="not UTF-8"):
        context.listing(tmp_path)


@pytest.mark.parametrize("name", [".wh.passwd", "etc/.wh..wh..opq", ".wh.lib/", ".wh."])
def test_a_name_that_deletes_a_file_of_the_layer_below_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)

    with pytest.raises(UnreadableInputError, match=r"/\.wh\..* would delete a file of the base image"):
        context.listing(tmp_path)

    (tmp_path / ".dockerignore").write_text("**/.wh.*")
    assert [path for path in paths(tmp_path) if ".wh." in path] == []


def test_a_link_whose_name_deletes_a_file_of_the_layer_below_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".wh.a").symlink_to("b")

    with pytest.raises(UnreadableInputError, match="would delete a file"):
        context.listing(tmp_path)


@pytest.mark.parametrize("bit", [stat.S_ISUID, stat.S_ISGID, stat.S_ISVTX])
@pytest.mark.parametrize("name", ["su", "lib/"])
def test_an_entry_with_a_special_bit_says_so(tmp_path: Path, name: str, bit: int) -> None:
    write(tmp_path, name, "plain")
    path = tmp_path / name
    path.chmod(path.stat().st_mode | bit)

    found = {entry.path: entry.special for entry in context.listing(tmp_path)}
    assert found == {name.rstrip("/"): True, "plain": False}


@pytest.mark.parametrize("pattern", ["", "closed\n!other/*"])
def test_a_directory_that_cannot_be_read_is_an_error_unless_it_is_ignored(unprivileged: Path, pattern: str) -> None:
    write(unprivileged, "closed/")
    (unprivileged / ".dockerignore").write_text(pattern)
    (unprivileged / "closed").chmod(0)

    if pattern:
        assert paths(unprivileged) == [".dockerignore"]
    else:
        with pytest.raises(UnreadableInputError, match=r"closed cannot be read: Permission denied"):
            context.listing(unprivileged)


def test_an_ignore_file_that_cannot_be_read_is_an_error(unprivileged: Path) -> None:
    (unprivileged / ".dockerignore").touch(mode=0)

    with pytest.raises(UnreadableInputError, match=r"\.dockerignore cannot be read: Permission denied"):
        context.listing(unprivileged)


def test_the_dockerfile_is_found_as_buildx_finds_it(tmp_path: Path) -> None:
    write(tmp_path, "dockerfile")
    assert context.dockerfile(tmp_path) == tmp_path / "dockerfile"

    (tmp_path / "dockerfile.dockerignore").write_text("*")
    assert paths(tmp_path) == []

    write(tmp_path, "Dockerfile")
    assert context.dockerfile(tmp_path) == tmp_path / "Dockerfile"


def test_a_directory_without_a_dockerfile_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="Dockerfile does not exist"):
        context.dockerfile(tmp_path)


@pytest.mark.parametrize("target", ["../common", "nowhere", "/etc/passwd", "."])
def test_a_dockerfile_that_is_a_link_to_no_file_of_the_directory_is_refused(tmp_path: Path, target: str) -> None:
    write(tmp_path, "common", "build/")
    (tmp_path / "build/Dockerfile").symlink_to(target)

    with pytest.raises(UnreadableInputError, match="Dockerfile is not a file within"):
        context.dockerfile(tmp_path / "build")
