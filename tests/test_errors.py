from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError, SleeperImagesError, quoted


def test_a_long_text_is_cut_in_a_message() -> None:
    assert len(quoted("x" * 1000)) < 70


@given(st.text())
def test_a_persons_text_is_on_one_line_of_a_message(text: str) -> None:
    assert quoted(text).isprintable()


@given(message=st.text(st.characters(codec=None)), step=st.text(st.characters(codec=None)))
def test_an_error_moves_no_cursor_and_can_be_written_anywhere(message: str, step: str) -> None:
    text = str(SleeperImagesError(message, step))
    assert text.replace("\n", "").replace("\t", "").isprintable()
    text.encode()


@pytest.mark.parametrize("message", ["is there", "two\n  lines", "größer ─▶ kleiner"])
def test_what_can_be_read_is_left_as_it_is(message: str) -> None:
    assert InputError(message).message == message
