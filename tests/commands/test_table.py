from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.commands.table import age, aligned, coloured, short_platforms

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


def test_platforms_are_shown_without_linux() -> None:
    assert short_platforms(("linux/amd64", "linux/arm/v7", "windows/amd64")) == "amd64,arm/v7,windows/amd64"


def test_cells_stand_below_each_other_and_no_line_ends_in_spaces() -> None:
    assert aligned([("a", "size", "b"), ("long", "1", "")], indent="  ", right={1}) == [
        "  a     size  b",
        "  long     1",
    ]
