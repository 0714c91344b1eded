from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.image.difference import (
    Change,
    EntryChange,
    describe,
    differences,
    differing_jars,
    shortened,
    summary,
    without_version,
)
from tasks.image.fingerprint import Inputs, Item

PATHS = st.sampled_from(["Dockerfile", "a.jar", "lib/b-1.0.jar", "lib/b-1.1.jar", "lib/b-2.jar", "run.sh", "x/y"])
CONTENTS = st.sampled_from(["sha256:1", "sha256:2", "jar-1:1", "jar-1:2", "jar-2:1"])
ITEMS = st.one_of(
    st.builds(Item, PATHS, st.just("file"), st.booleans(), CONTENTS),
    st.builds(Item, PATHS, st.just("directory"), st.just(value=False), st.just("")),
    st.builds(Item, PATHS, st.just("symlink"), st.just(value=False), PATHS),
)
NAMES = st.sampled_from(["", "a", "b", "c"])


def pairs() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    return st.dictionaries(NAMES, NAMES, max_size=3).map(lambda found: tuple(sorted(found.items())))


INPUTS = st.builds(
    Inputs,
    dockerfile=st.sampled_from(["sha256:1", "sha256:2"]),
    context=st.lists(ITEMS, unique_by=lambda item: item.path, max_size=5).map(
        lambda items: tuple(sorted(items, key=lambda item: item.path))
    ),
    build_args=pairs(),
    platforms=st.sampled_from([("linux/amd64",), ("linux/amd64", "linux/arm64")]),
    attestations=st.booleans(),
    revision=NAMES,
    bases=pairs(),
    media_types=st.sampled_from(["oci", "docker"]),
    compression=st.sampled_from(["gzip", "zstd"]),
    scheme=st.integers(1, 2),
)
LISTINGS = st.dictionaries(
    PATHS, st.one_of(st.integers(0, 9), st.dictionaries(NAMES, st.sampled_from(["0" * 12, "1" * 12]))), max_size=4
)

PLAIN = Inputs("sha256:0", (), (), ("linux/amd64",), attestations=False, revision="", bases=())


def holding(*items: Item) -> Inputs:
    return replace(PLAIN, context=items)


def jar(path: str, content: str = "jar-1:1") -> Item:
    return Item(path, "file", executable=False, content=content)


@given(INPUTS, INPUTS, LISTINGS, LISTINGS)
def test_nothing_differs_exactly_where_the_inputs_are_equal(
    old: Inputs, new: Inputs, before: dict[str, int], after: dict[str, int]
) -> None:
    assert (differences(old, new, before, after) == ()) == (old == new)


@given(INPUTS, INPUTS, LISTINGS, LISTINGS)
def test_every_change_has_two_sides_that_differ_or_another_name(
    old: Inputs, new: Inputs, before: dict[str, int], after: dict[str, int]
) -> None:
    for change in differences(old, new, before, after):
        assert change.old != change.new or change.former


@given(INPUTS, INPUTS)
def test_what_was_added_one_way_was_removed_the_other(old: Inputs, new: Inputs) -> None:
    def names(changes: tuple[Change, ...], how: str) -> list[str]:
        return sorted(f"{change.what} {change.name}" for change in changes if change.change == how)

    assert names(differences(old, new, {}, {}), "added") == names(differences(new, old, {}, {}), "removed")


@given(INPUTS, INPUTS)
def test_only_jars_that_differ_have_to_be_read(old: Inputs, new: Inputs) -> None:
    was, now = differing_jars(old, new)
    empty = dict.fromkeys(was, 0), dict.fromkeys(now, 0)
    counted = [change for change in differences(old, new, *empty) if change.omitted.startswith("too many")]
    assert {change.name for change in counted} <= now
    assert not any(change.omitted == "its entries are not recorded" for change in differences(old, new, *empty))


def test_entries_of_a_jar_are_compared_by_name() -> None:
    old = {"same": "0", "gone": "1", "other": "2"}
    new = {"same": "0", "come": "3", "other": "4"}
    (change,) = differences(holding(jar("a.jar")), holding(jar("a.jar", "jar-1:2")), {"a.jar": old}, {"a.jar": new})
    assert change.entries == (
        EntryChange("come", None, "3"),
        EntryChange("gone", "1", None),
        EntryChange("other", "2", "4"),
    )
    assert [entry.change for entry in change.entries] == ["added", "removed", "changed"]


def test_a_jar_whose_name_differs_by_its_version_alone_is_the_same_jar() -> None:
    old, new = holding(jar("lib/b-1.0.jar")), holding(jar("lib/b-1.1.jar", "jar-1:2"))
    (change,) = differences(old, new, {"lib/b-1.0.jar": {"x": "0"}}, {"lib/b-1.1.jar": {"x": "1"}})
    assert (change.name, change.former) == ("lib/b-1.1.jar", "lib/b-1.0.jar")
    assert change.entries == (EntryChange("x", "0", "1"),)


def test_two_versions_beside_one_another_are_not_guessed_at() -> None:
    old, new = holding(jar("b-1.jar"), jar("b-2.jar")), holding(jar("b-3.jar"))
    assert sorted((one.name, one.change) for one in differences(old, new, {}, {})) == [
        ("b-1.jar", "removed"),
        ("b-2.jar", "removed"),
        ("b-3.jar", "added"),
    ]


def test_a_dockerfile_in_the_context_is_one_change() -> None:
    def made(content: str) -> Inputs:
        item = Item("Dockerfile", "file", executable=False, content=content)
        return replace(holding(item), dockerfile=content)

    assert [one.what for one in differences(made("sha256:1"), made("sha256:2"), {}, {})] == ["dockerfile"]


@pytest.mark.parametrize(
    ("old", "new", "omitted"),
    [
        (5, {"x": "0"}, "too many entries to list (5)"),
        ({"x": "0"}, 1_234_567, "too many entries to list (1,234,567)"),
        (None, {"x": "0"}, "its entries are not recorded"),
        ({"x": "0"}, None, "its entries could not be read"),
    ],
)
def test_entries_that_are_not_known_have_a_reason(
    old: dict[str, str] | int | None, new: dict[str, str] | int | None, omitted: str
) -> None:
    before = {} if old is None else {"a.jar": old}
    after = {} if new is None else {"a.jar": new}
    (change,) = differences(holding(jar("a.jar")), holding(jar("a.jar", "jar-1:2")), before, after)
    assert (change.entries, change.omitted) == (None, omitted)


def test_digests_of_two_schemes_are_not_compared() -> None:
    same = {"a.jar": {"x": "0"}}
    (change,) = differences(holding(jar("a.jar")), holding(jar("a.jar", "jar-2:1")), same, {"a.jar": {"x": "1"}})
    assert change.entries is None
    assert "different schemes" in change.omitted


@pytest.mark.parametrize(
    ("path", "bare"),
    [
        ("query-0.36.0.jar", "query.jar"),
        ("lib/query-0.36.0-SNAPSHOT.jar", "lib/query.jar"),
        ("log4j-1.2-api-2.17.jar", "log4j.jar"),
        ("lambda.jar", "lambda.jar"),
        ("a-1/b.jar", "a-1/b.jar"),
        ("run-1.sh", "run-1.sh"),
    ],
)
def test_a_version_is_taken_out_of_a_jars_name_and_nothing_else(path: str, bare: str) -> None:
    assert without_version(path) == bare


# In words


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
        context("jar-1:1", "jar-1:2", "a.jar", omitted="too many entries to list (9)"),
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
def test_a_change_in_words(change: Change, words: str) -> None:
    assert describe(change, named) == words


def test_without_names_only_the_number_of_entries_is_shown() -> None:
    change = context("jar-1:1", "jar-1:2", "a.jar", entries=ENTRIES)
    assert describe(change, named, entries=False) == "docker/ingest/a.jar: 5 entries changed"


def test_a_summary_names_the_first_and_counts_the_rest() -> None:
    changes = [Change("build argument", name, None, "1") for name in "ABCDE"]
    assert (
        summary(changes, named) == "build argument A added; build argument B added; build argument C added; and 2 more"
    )
    assert summary(changes[:3], named).count(";") == 2


@given(st.text(st.characters(codec=None)))
def test_the_words_can_be_shown_by_any_terminal(name: str) -> None:
    change = context("jar-1:1", "jar-1:2", name, former=name, entries=(EntryChange(name, "0", "1"),))
    words = describe(change, str)
    assert all(character.isprintable() for character in words)
    words.encode()


def test_a_long_name_loses_its_middle() -> None:
    long = "sleeper/query/runner/recordretrieval/iterators/LeafPartitionRetriever.class"
    assert shortened(long) == "sleeper/query/…/LeafPartitionRetriever.class"
    assert shortened("sleeper/query/Query.class") == "sleeper/query/Query.class"
