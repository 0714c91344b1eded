from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UnreadableInputError
from tasks.image import dockerignore

FILE = Path(".dockerignore")


def ignored(content: str | bytes, path: str) -> bool:
    """Ask for each directory above a path in turn, as a walk does."""
    ignore = dockerignore.parse(content if isinstance(content, bytes) else content.encode(), FILE)
    matched: dockerignore.Matched = ()
    answer = False
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        answer, matched = ignore.ignores("/".join(parts[:depth]), matched)
    return answer


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("a", "a"),
        ("a", "a/b/c"),
        ("/a", "a"),
        ("//a", "a"),
        ("./a/", "a"),
        ("b/../a", "a"),
        ("  a \t", "a"),
        ("a\r\nb\r\n", "b"),
        ("\ufeffa", "a"),
        ("\u00a0a\u3000", "a"),
        ("# a\na", "a"),
        (" # a", "# a"),
        ("*", "a"),
        ("*", ".hidden"),
        ("*/b", "a/b"),
        ("*/b", "a/b/c"),
        ("a?c", "abc"),
        ("**", "a/b"),
        ("**/b", "b"),
        ("**/b", "x/y/b"),
        ("**b", "x/yb"),
        ("a/**", "a/b"),
        ("a**", "abc/d"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("**/*.class", "x/y.class"),
        ("[ab]", "b"),
        ("[a-c]x", "bx"),
        ("[^a]", "b"),
        ("[!a]", "!"),
        (r"\*", "*"),
        (r"a\[b", "a[b"),
        ("a b", "a b"),
        ("é?", "éé"),
        ("*\n!a\n**/b", "a/b"),
        ("!a\na", "a"),
        ("! !a\n*", "a"),
        ("^a*", "ab"),
        ("/ a", "a"),
        ("a.b*", "a.bc"),
        ("*.{jar,zip}", "a.{jar,zip}"),
        ("a|b", "a|b"),
    ],
)
def test_a_path_that_a_pattern_matches_is_left_out(content: str, path: str) -> None:
    assert ignored(content, path)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("", "a"),
        ("#a", "a"),
        ("\ufeff#a", "a"),
        ("a", "b/a"),
        ("a", "A"),
        ("a", "ab"),
        (".", "a"),
        ("/", "a"),
        ("a/..", "a"),
        ("../a", "a"),
        ("*/b", "b"),
        ("*/b", "x/y/b"),
        ("a?c", "a/c"),
        ("a*c", "a/c"),
        ("a/**", "a"),
        ("a/**/b", "a/x"),
        ("**/b", "x/yb"),
        ("[^a]", "a"),
        ("a.b*", "axbc"),
        ("*\n!a", "a"),
        ("*\n! a", "a"),
        ("*\n!/a", "a"),
        ("*\n/!a", "a"),
        ("*\n!a", "a/b"),
        ("a\n!a/b", "a/b"),
        ("a\n!**/b", "a/x/b"),
        ("^a*", "^ab"),
        ("^a", "a"),
        ("*.{jar,zip}", "a.jar"),
        ("a\x85b", "a"),
    ],
)
def test_a_path_that_no_pattern_matches_or_an_exception_does_is_kept(content: str, path: str) -> None:
    assert not ignored(content, path)


@pytest.mark.parametrize(
    "line",
    ["!", "!/", "[", "[a", "[]", "[]a]", "[a-]", "[-a]", "[b-a]", "a\\", "a\0b", "a\tb", "x" * 65536, b"\xff"],
)
def test_a_line_that_buildkit_refuses_is_an_error_with_its_number(line: str | bytes) -> None:
    content = b"a\n\n" + (line if isinstance(line, bytes) else line.encode()) + b"\nb"

    with pytest.raises(UnreadableInputError, match=r"^\.dockerignore:3: "):
        dockerignore.parse(content, FILE)


@pytest.mark.parametrize(
    "line", [r"\d*", r"\a", "[[:alpha:]]", "[*]", "[a?]", "*|a", "a{2}*", "a{2,}?", r"[\d]", r"\é"]
)
def test_a_line_whose_meaning_in_buildkit_is_an_accident_is_an_error(line: str) -> None:
    with pytest.raises(UnreadableInputError, match=r"^\.dockerignore:1: "):
        dockerignore.parse(line.encode(), FILE)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_in_another_unicode_encoding_is_to_be_saved_as_utf_8(encoding: str) -> None:
    with pytest.raises(
        UnreadableInputError, match=rf"in {encoding[:6].upper()}, and .*UTF-8 only\n  next: save"
    ) as caught:
        dockerignore.parse("target\n*.tmp\n".encode(encoding), FILE)
    assert "pattern" not in str(caught.value)


def test_an_error_about_latin_1_names_the_line() -> None:
    with pytest.raises(UnreadableInputError, match=r"^\.dockerignore:2: the text is not UTF-8.*\n  next: save"):
        dockerignore.parse("a\ncaf\xe9\n".encode("latin-1"), FILE)


def test_a_comment_may_be_in_any_encoding() -> None:
    assert ignored("# caf\xe9\na\n".encode("latin-1"), "a")


@given(st.text(st.sampled_from("ab/*?!.[]^-\\ #\n"), max_size=30), st.text(st.sampled_from("ab/."), max_size=8))
def test_no_content_is_anything_but_answered_or_refused(content: str, path: str) -> None:
    try:
        ignore = dockerignore.parse(content.encode(), FILE)
    except UnreadableInputError:
        return
    answer, matched = ignore.ignores(path, ())

    assert answer in {True, False}
    assert len(ignore.patterns) == len(matched)


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="*?[]\\!#/"), min_size=1))
def test_a_name_without_special_characters_matches_itself(name: str) -> None:
    if name.strip() != name or name in {".", ".."}:
        return

    assert ignored(name, name)


PIECES = st.lists(st.sampled_from(["*", "**", "**/", "/", "a", "b", "?", "[ab]", "^", "\\*", "[^a]"]), max_size=8)
PATHS = st.text("ab/*^\n", max_size=12)


@given(PIECES.map("".join), PATHS)
def test_patterns_with_many_wildcards_mean_what_the_regular_expression_means(pattern: str, path: str) -> None:
    parts, _ = dockerignore._expression(pattern)
    expected = re.fullmatch("".join(parts), path) is not None
    assert dockerignore.Expression(parts).matches(path) is expected


@pytest.mark.parametrize("wildcard", ["*a", "**/a*", "**/", "?*"])
def test_a_pattern_of_many_wildcards_takes_no_time(wildcard: str) -> None:
    """Backtracking would take longer than the universe lasts."""
    assert not ignored(wildcard * 30 + "b", "a" * 200)


@pytest.mark.parametrize(
    ("patterns", "path", "emptied"),
    [
        (b"*\n!**/a\nd", "d/e/a", True),
        (b"*\n!**/a\nd", "d/a", True),
        (b"*\n!**/a\nd", "e/a", False),
        (b"*\n!**/a\nd\n!d/e/a", "d/e/a", False),
        (b"*\n!d\nd/e/b", "d/e/a", False),
        (b"*\n!**/a", "d/e/a", False),
        (b"*.txt\nd/e/*.md", "d/e/a", False),
    ],
)
def test_a_file_that_buildkit_would_send_empty_is_recognised(patterns: bytes, path: str, emptied: bool) -> None:
    assert dockerignore.parse(patterns, FILE).empties(path) == emptied
