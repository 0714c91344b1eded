from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.system.secrets import keep
from tasks.system.text import (
    clipped,
    folded,
    human,
    one_line,
    printable,
    quoted,
    shown_url,
    width,
    without_controls,
    wrapped,
)


@given(st.text(st.characters(codec=None)))
def test_a_printable_text_moves_no_cursor_and_can_be_encoded(text: str) -> None:
    assert printable(text).isprintable()
    printable(text).encode()
    assert (printable(text) == text) == text.isprintable()


def test_a_printable_text_keeps_the_characters_that_it_is_asked_to_keep() -> None:
    assert (printable("a\nb\tc"), printable("a\nb\tc", keep="\n")) == ("a\\nb\\tc", "a\nb\\tc")


def test_a_long_text_is_cut_in_a_message() -> None:
    assert len(quoted("x" * 1000)) < 70


@given(st.text())
def test_a_persons_text_is_on_one_line_of_a_message(text: str) -> None:
    assert quoted(text).isprintable()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("\x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("50%\r100%", "50%100%"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("\x9b31mx", "31mx"),
        ("\x1bcx", "x"),
    ],
)
def test_control_sequences_are_taken_out(text: str, left: str) -> None:
    assert without_controls(text) == left


@given(st.text())
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    assert not [one for one in without_controls(text) if (ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160]


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cc", "Cs"])))
def test_text_without_control_characters_stays_as_it_is(text: str) -> None:
    assert without_controls(text) == text


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


@given(st.text(max_size=2000))
def test_a_strangers_text_is_one_short_line(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 302
    assert line.isprintable()


def test_a_strangers_text_is_without_secrets_before_it_is_cut() -> None:
    keep("MARKEDsecret0123456789")
    assert "MARKED" not in one_line(290 * "x" + "MARKEDsecret0123456789")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://bucket.example/blob?X-Amz-Signature=secret#secret", "https://bucket.example/blob"),
        ("https://user:secret@bucket.example/blob", "https://bucket.example/blob"),
        ("https://[::1", "https://[::1"),
    ],
)
def test_a_url_is_shown_without_what_opens_it(url: str, expected: str) -> None:
    assert shown_url(url) == expected


@pytest.mark.parametrize(("text", "expected"), [("abc", 3), ("größer", 6), ("図", 2), ("e\u0301", 1)])
def test_a_width_is_what_a_terminal_takes_for_the_text(text: str, expected: int) -> None:
    assert width(text) == expected


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])), st.integers(0, 20), st.booleans())
def test_a_clipped_text_fits(text: str, columns: int, ascii_only: bool) -> None:
    clip = clipped(text, columns, ascii_only=ascii_only)
    assert width(clip) <= columns
    assert clip == text or width(text) > columns


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (31_500, "31.5 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (1_234_567_890, "1.2 GB"), (5 * 10**12, "5.0 TB")],
)  # fmt: skip
def test_sizes_are_written_as_people_read_them(count: int, text: str) -> None:
    assert human(count) == text
