from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InputError, SleeperImagesError


@given(message=st.text(st.characters(codec=None)), step=st.text(st.characters(codec=None)))
def test_an_error_moves_no_cursor_and_can_be_written_anywhere(message: str, step: str) -> None:
    text = str(SleeperImagesError(message, step))
    assert text.replace("\n", "").replace("\t", "").isprintable()
    text.encode()


@pytest.mark.parametrize("message", ["is there", "two\n  lines", "größer ─▶ kleiner"])
def test_what_can_be_read_is_left_as_it_is(message: str) -> None:
    assert InputError(message).message == message
