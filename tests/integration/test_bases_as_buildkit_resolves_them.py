"""The base images that we find in a Dockerfile and those that BuildKit asks for, compared on a real engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sandbox.engine import Engine
from tasks.errors import CommandError, UnreadableInputError
from tasks.image import dockerfile
from tasks.system import processes

pytestmark = pytest.mark.integration

NOWHERE = "127.0.0.1:1"
"""A registry that refuses every connection at once, wherever the tests run."""

A, B, C = (f"{NOWHERE}/{name}:1" for name in "abc")


def build(engine: Engine, text: str, build_args: Mapping[str, str], given: Sequence[str], work: Path) -> None:
    """Build a Dockerfile with some base images given as directories; CommandError where BuildKit needs another."""
    for name in ("build", "base"):
        (work / name).mkdir(exist_ok=True)
        (work / name / "x").write_text("x")
    (work / "build" / "Dockerfile").write_text(text)
    processes.check(
        [
            *("docker", "buildx", "build", "--builder=default", "--quiet", "--output=type=cacheonly"),
            *("--platform=linux/amd64", "--no-cache"),
            *(f"--build-arg={name}={value}" for name, value in build_args.items()),
            *(f"--build-context={reference}=base" for reference in given),
            "build",
        ],
        next_step="see above",
        environment=engine.environment,
        directory=work,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "build_args", "expected"),
    [
        (f"FROM {A}\nCOPY x /y", {}, [A]),
        (f"FROM {A} AS one\nFROM one\nCOPY --from={B} x /y", {}, [A, B]),
        (f"FROM {A} AS one\nFROM scratch\nCOPY --from=0 x /y\nCOPY --from=One x /z", {}, [A]),
        (f"FROM {A} AS one\nCOPY --from=last x /y\nFROM {B} AS last\nCOPY x /z", {}, [A, B]),
        (f"ARG R={NOWHERE}\nARG N V=1\nFROM $R/${{N:-a}}:${{V}}\nCOPY x /y", {}, [A]),
        ('ARG R\nARG I="${R}/b"\nFROM $I:1\nCOPY x /y', {"R": NOWHERE}, [B]),
        (f"FROM {A} AS for-amd64\nFROM for-$TARGETARCH\nCOPY x /y", {}, [A]),
        (f"# escape=`\nFROM `\n# between\n {A}\nCOPY <<FROM /y\nFROM {B}\nFROM\n", {}, [A]),
        ("FROM scratch AS scratch\nFROM scratch\nCOPY --from=scratch . /y\nCOPY x /z", {}, []),
    ],
)
def test_buildkit_asks_for_no_base_that_we_do_not_find(
    engine: Engine, tmp_path: Path, text: str, build_args: Mapping[str, str], expected: list[str]
) -> None:
    found = dockerfile.bases(text, build_args, ("linux/amd64",))
    assert sorted(found) == expected

    build(engine, text, build_args, found, tmp_path)


@pytest.mark.parametrize("stage", ["base", "Base", "other"])
def test_a_base_that_is_given_takes_the_place_of_a_stage_of_its_name(
    engine: Engine, tmp_path: Path, stage: str
) -> None:
    """The reason for refusing to lock it: what the stage does is not done, and nothing says so."""
    text = f"FROM base AS {stage}\nCOPY x /y\nFROM scratch\nCOPY --from={stage} /y /z"
    if dockerfile.named_as_a_stage(text, ["base"]):
        with pytest.raises(CommandError, match="not found"):
            build(engine, text, {}, ["base"], tmp_path)
    else:
        build(engine, text, {}, ["base"], tmp_path)


@pytest.mark.parametrize("missing", [A, B, C])
def test_each_base_that_we_find_is_needed(engine: Engine, tmp_path: Path, missing: str) -> None:
    text = f"FROM {A} AS one\nFROM {B}\nCOPY --from=one x /y\nCOPY --from={C} x /z"
    given = [reference for reference in dockerfile.bases(text, {}) if reference != missing]
    assert len(given) == 2

    with pytest.raises(CommandError, match=missing):
        build(engine, text, {}, given, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f'FROM {A}\nRUN --mount=from=$X,target=/x ["/x"]',
        f"ARG X=one\nFROM {A} AS one\nFROM {A}\nCOPY --from=$X x /y",
        f"FROM {A} AS\nCOPY x /y",
        f"FROM {A} AS 9\nCOPY x /y",
        f"COPY x /y\nFROM {A}",
        "FROM $X\nCOPY x /y",
        "FROM ${X:?which}\nCOPY x /y",
    ],
)
def test_what_we_cannot_tell_is_what_buildkit_refuses(engine: Engine, tmp_path: Path, text: str) -> None:
    with pytest.raises(CommandError):
        build(engine, text, {}, [A], tmp_path)
    with pytest.raises(UnreadableInputError):
        dockerfile.bases(text, {}, ("linux/amd64",))
