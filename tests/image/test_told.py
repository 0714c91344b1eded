from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.image.difference import Change, EntryChange
from tasks.image.told import shortened, summary, tell


def named(path: str) -> str:
    return f"docker/ingest/{path}"


def context(old: str | None, new: str | None, name: str = "run.sh", **more: object) -> Change:
    return Change("context", name, old, new, **more)  # type: ignore[arg-type]


ENTRIES = tuple(EntryChange(f"x/{number}.class", "0", "1") for number in range(5))

CASES = [
    (Change("dockerfile", "", "a", "b"), "docker/ingest/Dockerfile changed"),
    (context("sha256:1", "sha256:2"), "docker/ingest/run.sh changed"),
    (context(None, "sha256:2"), "docker/ingest/run.sh added"),
    (context("sha256:1", None), "docker/ingest/run.sh removed"),
    (context("sha256:1", "sha256:1 executable"), "docker/ingest/run.sh became executable"),
    (context("sha256:1 executable", "sha256:1"), "docker/ingest/run.sh is no longer executable"),
    (context("sha256:1 executable", "sha256:2"), "docker/ingest/run.sh changed"),
    (context("sha256:1", "symlink to x"), "docker/ingest/run.sh became a symlink"),
    (context("symlink to x", "directory"), "docker/ingest/run.sh became a directory"),
    (context("directory", "sha256:1"), "docker/ingest/run.sh became a file"),
    (context("symlink to x", "symlink to y"), "docker/ingest/run.sh changed"),
    (
        context("jar-1:1", "jar-1:2", "a.jar", entries=ENTRIES[:1]),
        "docker/ingest/a.jar: 1 entry changed: x/0.class",
    ),
    (
        context("jar-1:1", "jar-1:2", "a.jar", entries=ENTRIES),
        "docker/ingest/a.jar: 5 entries changed: x/0.class, x/1.class, x/2.class and 2 more",
    ),
    (
        context("jar-1:1", "jar-1:2", "a.jar", entries=(ENTRIES[0], EntryChange("x", None, "1"))),
        "docker/ingest/a.jar: 1 entry changed, 1 added: x/0.class, x",
    ),
    (
        context("jar-1:1", "jar-1:2", "a.jar", untold="too many entries to list (9)"),
        "docker/ingest/a.jar changed (too many entries to list (9))",
    ),
    (context("jar-1:1", "jar-1:2", "a.jar", entries=()), "docker/ingest/a.jar changed"),
    (context("jar-1:1", "jar-1:1", "b-2.jar", former="lib/b-1.jar"), "docker/ingest/b-2.jar was b-1.jar"),
    (
        context("jar-1:1", "jar-1:2", "b-2.jar", former="b-1.jar", entries=ENTRIES[:1]),
        "docker/ingest/b-2.jar was b-1.jar; 1 entry changed: x/0.class",
    ),
    (Change("base", "debian:12", "sha256:1", "sha256:2"), "base debian:12 moved"),
    (Change("base", "debian:12", "", "sha256:2"), "base debian:12 is now locked"),
    (Change("base", "debian:12", "sha256:1", ""), "base debian:12 is no longer locked"),
    (Change("base", "debian:12", None, ""), "base debian:12 is new"),
    (Change("base", "debian:12", "", None), "base debian:12 is no longer used"),
    (Change("build argument", "A", "1", "2"), "build argument A changed"),
    (Change("build argument", "A", None, "2"), "build argument A added"),
    (Change("revision", "", "", "2"), "revision changed from none to 2"),
    (Change("platforms", "", "linux/amd64", "linux/arm64"), "platforms changed from linux/amd64 to linux/arm64"),
]


@pytest.mark.parametrize(("change", "words"), CASES, ids=[words for _, words in CASES])
def test_a_change_is_told_in_words(change: Change, words: str) -> None:
    assert tell(change, named) == words


def test_without_entries_only_their_number_is_told() -> None:
    change = context("jar-1:1", "jar-1:2", "a.jar", entries=ENTRIES)
    assert tell(change, named, entries=False) == "docker/ingest/a.jar: 5 entries changed"


def test_a_summary_names_the_first_and_counts_the_rest() -> None:
    changes = [Change("build argument", name, None, "1") for name in "ABCDE"]
    assert (
        summary(changes, named) == "build argument A added; build argument B added; build argument C added; and 2 more"
    )
    assert summary(changes[:3], named).count(";") == 2


@given(st.text(st.characters(codec=None)))
def test_what_is_told_can_be_shown_by_any_terminal(name: str) -> None:
    change = context("jar-1:1", "jar-1:2", name, former=name, entries=(EntryChange(name, "0", "1"),))
    words = tell(change, str)
    assert all(character.isprintable() for character in words)
    words.encode()


def test_a_long_name_loses_its_middle() -> None:
    long = "sleeper/query/runner/recordretrieval/iterators/LeafPartitionRetriever.class"
    assert shortened(long) == "sleeper/query/…/LeafPartitionRetriever.class"
    assert shortened("sleeper/query/Query.class") == "sleeper/query/Query.class"
