from __future__ import annotations

import pytest

from tasks.errors import UnreadableInputError
from tasks.image.dockerfile import bases, named_as_a_stage, runs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM ubuntu:24.04\nCOPY a /a\n", ("ubuntu:24.04",)),
        ("from ubuntu as base\nfrom BASE\n", ("ubuntu",)),
        ("FROM scratch\n", ()),
        ("FROM ubuntu\nFROM debian\nFROM ubuntu\n", ("ubuntu", "debian")),
        (
            "FROM --platform=$BUILDPLATFORM maven:3 AS build\nFROM alpine\nCOPY --from=build /a /a\n",
            ("maven:3", "alpine"),
        ),
        ("FROM a/b@sha256:" + "0" * 64, ("a/b@sha256:" + "0" * 64,)),
        ("\ufeffFROM a\r\nCOPY x /x\r\n", ("a",)),
        ("# syntax=docker/dockerfile:1\n# FROM no\nFROM a\n", ("a",)),
        ("# escape=`\nFROM `\n  a\n", ("a",)),
        ("FROM \\\n# a comment between\n  a \\\n  AS b\nFROM b\n", ("a",)),
        ("FROM 'a'\n", ("a",)),
    ],
)
def test_from_names_images_and_earlier_stages(text: str, expected: tuple[str, ...]) -> None:
    assert bases(text, {}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nCOPY --from=b /x /x\nCOPY --chown=1 --from=c /x /x", ("a", "b", "c")),
        ("FROM a AS one\nFROM b\nCOPY --from=0 /x /x\nCOPY --from=ONE /x /x\nCOPY --from=1 /x /x", ("a", "b")),
        ("FROM a\nCOPY --from=last /x /x\nFROM b AS last", ("a", "b")),
        ("FROM a\nCOPY --from=scratch /x /x\nCOPY --from= x /x", ("a",)),
        ("FROM a\nCOPY ['--from=b', '/x']\nRUN echo --from=c\nADD --chown=1 b /x", ("a",)),
        ("FROM a\nCOPY <<EOF /x\nFROM b\nEOF\nRUN <<-E\n\tCOPY --from=c / /\n\tE\n", ("a",)),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/x --mount=from=c,target=/y true", ("a", "b", "c")),
        ("FROM a\nRUN --mount='type=bind,\"from=b\",target=/x' true", ("a", "b")),
        ("FROM a\nRUN --mount=type=cache,target=/x --mount=type=secret,id=from true", ("a",)),
        ("FROM a AS one\nRUN --mount=FROM=One,target=/x true\nRUN --mount=from=0,target=/y true", ("a", "0")),
        (
            "FROM a\nONBUILD COPY --from=b /x /x\nONBUILD RUN --mount=from=c,target=/ true\nonbuild RUN x",
            ("a", "b", "c"),
        ),
    ],
)
def test_copies_and_mounts_name_images_and_stages(text: str, expected: tuple[str, ...]) -> None:
    assert bases(text, {}) == expected


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        ("ARG V=1\nFROM a:$V", {}, ("a:1",)),
        ("ARG V=1\nFROM a:${V}", {"V": "2"}, ("a:2",)),
        ("ARG V\nFROM a:${V:-3}", {}, ("a:3",)),
        ("ARG V\nFROM a${V:+:$V}", {"V": "4"}, ("a:4",)),
        ('ARG I=a V=1\nARG R="${I}:$V"\nFROM $R', {"V": "5"}, ("a:5",)),
        ("FROM a${V:-}", {"V": "6"}, ("a",)),
        ("ARG V=1\nFROM a:$V AS a\nARG V=2\nFROM b:$V", {}, ("a:1", "b:1")),
        ("ARG S=one\nFROM a AS one\nFROM $S", {}, ("a",)),
        ("ARG UNUSED=$BUILDARCH\nARG X=${Y:?no}\nFROM a", {}, ("a",)),
        ("ARG BUILDARCH\nFROM a:$BUILDARCH", {"BUILDARCH": "riscv64"}, ("a:riscv64",)),
    ],
)
def test_from_has_its_variables_substituted(text: str, build_args: dict[str, str], expected: tuple[str, ...]) -> None:
    assert bases(text, build_args) == expected


def test_a_name_that_depends_on_the_platform_is_one_for_each_platform() -> None:
    text = "FROM a AS for-amd64\nFROM b AS for-arm64\nFROM for-$TARGETARCH\nFROM c:$TARGETOS-$TARGETARCH$TARGETVARIANT"

    assert bases(text, {}, ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")) == (
        "a",
        "b",
        "c:linux-amd64",
        "c:linux-arm64",
        "for-arm",
        "c:linux-armv7",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the Dockerfile does not have a FROM"),
        ("ARG X=1\n", "line 1: the Dockerfile does not have a FROM"),
        ("\nRUN x\nFROM a", "line 2: RUN before the first FROM"),
        ("FROM a\n\nFORM b\n", "line 3: unknown instruction: FORM"),
        ("FROM a\nFROM\n", "line 2: FROM takes an image"),
        ("FROM a AS\n", "line 1: FROM takes an image"),
        ("FROM a is b\n", "line 1: FROM takes an image"),
        ("FROM a AS 9\n", "line 1: '9' cannot be the name of a stage"),
        ("FROM $X\n", "line 1: FROM \\$X: a variable in it has no value"),
        ("FROM ${X:?which}\n", "line 1: .*which"),
        ("FROM ${X\n", "line 1: "),
        ("FROM a\nCOPY --from=$X /a /a\n", "line 2: .*from=\\$X: only FROM can"),
        ("FROM a\nRUN --mount=from=$X,target=/a x\n", "line 2: .*from=\\$X: only FROM can"),
        ("FROM a:$TARGETARCH\n", "line 1: .*ARG TARGETARCH has a value only during the build"),
        ("ARG X=$BUILDOS\nFROM a\nFROM b:$X\n", "line 3: .*ARG BUILDOS has a value only during the build"),
        ("FROM a\nRUN <<EOF\nx\n", "line 2: unterminated heredoc"),
        ("FROM a\nONBUILD FORM b\n", "line 2: unknown instruction: FORM"),
        ("# escape=x\nFROM a\n", "line 1: "),
    ],
)
def test_an_error_names_the_line(text: str, message: str) -> None:
    with pytest.raises(UnreadableInputError, match=f"^{message}"):
        bases(text, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM a\nCOPY x y\n", False),
        ("FROM a\nRUN x\n", True),
        ("FROM a AS one\nRUN x\nFROM b\n", False),
        ("FROM a AS one\nRUN x\nFROM ONE\n", True),
        ("FROM a AS one\nRUN x\nFROM b\nCOPY --from=one x y\n", True),
        ("FROM a\nRUN x\nFROM b\nCOPY --from=0 x y\n", True),
        ("FROM --platform=$BUILDPLATFORM a AS one\nRUN x\nFROM b\nCOPY --from=one x y\n", False),
        ("FROM a\nRUN x\nFROM b AS two\nFROM two\n", False),
        ("FROM\n", False),
        ("", False),
    ],
)
def test_a_build_runs_commands_where_a_stage_that_counts_has_a_run(text: str, *, expected: bool) -> None:
    assert runs(text) is expected


@pytest.mark.parametrize(
    ("text", "like_stages"),
    [
        ("FROM a AS a\nFROM b AS c", {"a"}),
        ("FROM A:latest AS a\nFROM docker.io/library/b AS B", {"A:latest", "docker.io/library/b"}),
        ("FROM a\nFROM scratch AS a", {"a"}),
        ("FROM a:1 AS a\nFROM x/b AS b\nFROM c", set()),
    ],
)
def test_an_image_with_the_name_of_a_stage_is_found(text: str, like_stages: set[str]) -> None:
    assert like_stages == named_as_a_stage(text, bases(text, {}))
