"""What images are made of: Dockerfiles, ignore files, jars, and directories full of names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.image import context, dockerfile, dockerignore, staging
from tasks.image.jar import content as jar_content
from tests.fuzz.cases import fuzz, mutated, survives
from tests.zips import MANIFEST, Member, archive

DOCKERFILES = (
    b"# syntax=docker/dockerfile:1\nARG V=1\nFROM --platform=$BUILDPLATFORM ubuntu:${V:-2} AS one\nRUN <<EOF\nx\nEOF\n",
    b"FROM a\nCOPY --from=one --chmod=755 a b\nRUN --mount=type=bind,from=one x\nONBUILD COPY --from=a b c\n",
    b'# escape=`\nFROM a`\n as b\nCOPY ["a b", "c"]\nHEALTHCHECK CMD x\n',
    b"FROM ${A:+${B}}${C#x*}${D%%y}${E/a/b}\n",
)
IGNORES = (b"*\n!a\n**/b\n[a-c]?\n# x\n\\#\n", b"a*b*c*d*e*f*g\n**/a/**/b/**/c\n", b"!/a\n^a\n.\n..\n/\n")
JARS = (
    archive([Member(MANIFEST, b"x"), Member("a.class", b"y" * 100), Member("b/", b"", mode=0o040755)]),
    archive([Member("a", b"z" * 50)], streamed=True),
    archive([Member("a", b"z", zip64=True)], before=b"#!/bin/sh\n", comment=b"c"),
    archive([Member("lib/x.jar", archive([Member("c", b"d" * 40)]), method=0)]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


PLATFORMS = st.sampled_from([(), ("linux/amd64",), ("linux/arm64/v8", "linux/amd64"), ("",), ("a/b/c/d",)])


@fuzz
@given(content=mutated(DOCKERFILES) | st.binary(max_size=200), platforms=PLATFORMS)
def test_dockerfiles(content: bytes, platforms: tuple[str, ...]) -> None:
    text = content.decode(errors="replace")
    survives(lambda: dockerfile.bases(text, {"V": "$X", "A": ""}, platforms))
    survives(lambda: dockerfile.runs(text))


WORDS = st.sampled_from(
    [
        "FROM",
        "ARG",
        "COPY",
        "RUN",
        "ONBUILD",
        "AS",
        "--from=",
        "--mount=from=",
        "--platform=",
        "$",
        "${",
        "}",
        ":-",
        "#",
        "\\\n",
        "<<EOF",
        "\nEOF\n",
        "\n",
        " ",
        "a",
        "0",
        '"',
        "'",
        "[",
        "]",
        "`",
        "=",
        ",",
        "\t",
        "\ufeff",
        "# escape=`\n",
    ]
)


@fuzz
@given(words=st.lists(WORDS, max_size=25))
def test_dockerfiles_of_their_own_words(words: list[str]) -> None:
    text = "".join(words)
    survives(lambda: dockerfile.bases(text, {}, ("linux/amd64",)))
    survives(lambda: dockerfile.runs(text))


PATTERNS = st.lists(st.sampled_from(list("*?[]^-!\\/.ab{}|()+$# \n")), max_size=40).map("".join).map(str.encode)
PATHS = st.text("ab/.*\n", min_size=1, max_size=60) | st.just("a" * 200)


@fuzz
@given(content=mutated(IGNORES) | PATTERNS | st.binary(max_size=100), path=PATHS)
def test_ignore_files(content: bytes, path: str) -> None:
    def ask() -> None:
        ignore = dockerignore.parse(content, Path(".dockerignore"))
        matched: dockerignore.Matched = ()
        for depth in range(1, path.count("/") + 2):
            _, matched = ignore.ignores("/".join(path.split("/")[:depth]), matched)

    survives(ask)


@fuzz
@given(content=mutated(JARS) | st.binary(max_size=200))
def test_jars(folder: Path, content: bytes) -> None:
    path = folder / "x.jar"
    path.write_bytes(content)
    survives(lambda: jar_content.read(path).digest)
    survives(lambda: jar_content.read(path).entries())


FILE_NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not {0, 47} & set(name) and name not in {b".", b".."}
)
KINDS = st.sampled_from(["file", "directory", "link", "fifo", "unreadable"])


@fuzz
@given(names=st.dictionaries(FILE_NAMES, KINDS, max_size=5), ignore=mutated(IGNORES) | st.none())
def test_directories_of_any_names(folder: Path, names: dict[bytes, str], ignore: bytes | None) -> None:
    directory = folder / "context"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for name, kind in names.items():
        path = os.fsencode(directory) + b"/" + name
        match kind:
            case "directory":
                Path(os.fsdecode(path)).mkdir()
            case "link":
                Path(os.fsdecode(path)).symlink_to(os.fsdecode(b"/" + name))
            case "fifo":
                os.mkfifo(path)
            case _:
                Path(os.fsdecode(path)).write_bytes(name)
    if not (directory / "Dockerfile").exists() and not (directory / "Dockerfile").is_symlink():
        (directory / "Dockerfile").write_text("FROM scratch\n")
    if ignore is not None and not os.path.lexists(directory / ".dockerignore"):
        (directory / ".dockerignore").write_bytes(ignore)

    def stage() -> None:
        recipe = context.dockerfile(directory)
        staging.stage(context.listing(directory), recipe, folder / "staged")
        staging.remove(folder / "staged")

    survives(stage)
