from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BuildError, InputError, RegistryError, SleeperImagesError


@given(message=st.text(st.characters(codec=None)), step=st.text(st.characters(codec=None)))
def test_an_error_moves_no_cursor_and_can_be_written_anywhere(message: str, step: str) -> None:
    text = str(SleeperImagesError(message, step))
    assert text.replace("\n", "").replace("\t", "").isprintable()
    text.encode()


@pytest.mark.parametrize("message", ["is there", "two\n  lines", "größer ─▶ kleiner"])
def test_what_can_be_read_is_left_as_it_is(message: str) -> None:
    assert InputError(message).message == message


def test_an_error_names_its_image_only_where_nothing_else_does() -> None:
    error = InputError("no jar", "run Maven", image="ingest")
    assert (error.message, error.next_step, error.image) == ("no jar", "run Maven", "ingest")
    assert error.text == "no jar\n  next: run Maven"
    assert str(error) == "ingest: no jar\n  next: run Maven"


@pytest.mark.parametrize(
    "shared",
    [
        BuildError("failed", "fix it", said="ERROR: failed"),
        RegistryError("refused", "log in", status=401, code="DENIED", temporary=True),
    ],
)
def test_a_fault_that_images_share_is_about_each_of_them(shared: SleeperImagesError) -> None:
    errors = [shared.about(name) for name in ("a", "b")]
    assert [error.image for error in (*errors, shared)] == ["a", "b", ""]
    for error in errors:
        assert type(error) is type(shared)
        assert vars(error) == {**vars(shared), "image": error.image}
