from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.views.words import age, coloured, folded, short_platforms, wrapped

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=59), "59s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=23), "23h"),
        (timedelta(days=1), "1d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=730), "2y"),
        (timedelta(seconds=-5), "0s"),
    ],
)
def test_an_age_has_four_characters_at_most(ago: timedelta, expected: str) -> None:
    assert age(NOW - ago, NOW) == expected


def test_only_what_is_asked_for_is_coloured() -> None:
    assert coloured("text", "build", colour=False) == "text"
    assert coloured("text", "build", colour=True) == "\x1b[33mtext\x1b[0m"


def test_wrapped_lines_keep_their_own_indentation_and_fit() -> None:
    lines = wrapped("a thing and its reason, " * 6 + "\n  next: do something about it " * 3, "    ")
    assert max(map(len, lines)) <= 80
    assert {len(line) - len(line.lstrip()) for line in lines} == {4, 6}


def test_a_folded_line_hangs() -> None:
    assert folded("next: a b-c", "  ", 8) == ["next: a", "  b-c"]
    assert folded("next: a  b", "  ", 80) == ["next: a  b"]
    assert folded("1.5 kB (2.5\N{NO-BREAK SPACE}kB)", "", 12) == ["1.5 kB", "(2.5 kB)"]


def test_a_word_that_is_too_long_is_left_whole() -> None:
    assert wrapped("x" * 100, "  ") == ["  " + "x" * 100]


def test_platforms_are_shown_without_linux() -> None:
    assert short_platforms(("linux/amd64", "linux/arm/v7", "windows/amd64")) == "amd64,arm/v7,windows/amd64"
