import dataclasses
import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.image.fingerprint import SCHEME, Inputs, Item, inputs_tag
from tasks.reference import check_tag

TEXT = st.text(string.printable, max_size=8)
ITEMS = st.lists(
    st.builds(Item, TEXT, st.sampled_from(["file", "directory", "symlink"]), st.booleans(), TEXT), max_size=4
).map(tuple)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
INPUTS = st.builds(
    Inputs,
    dockerfile=TEXT,
    context=ITEMS,
    build_args=PAIRS,
    platforms=st.lists(TEXT, max_size=2).map(tuple),
    attestations=st.booleans(),
    revision=TEXT,
    bases=PAIRS,
)


@given(INPUTS, INPUTS)
def test_two_inputs_have_one_fingerprint_only_if_they_are_equal(one: Inputs, other: Inputs) -> None:
    assert (one == other) == (one.fingerprint() == other.fingerprint())


@given(INPUTS, st.data())
def test_any_field_that_changes_moves_the_fingerprint(inputs: Inputs, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(Inputs)]))
    value = getattr(inputs, field)
    changed = dataclasses.replace(inputs, **{field: _another(value)})
    assert changed.fingerprint() != inputs.fingerprint()


def _another(value: object) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case tuple():
            return (*value, value)
    raise TypeError(value)


def test_the_canonical_text_is_ascii_json_with_sorted_keys() -> None:
    item = Item("é", "file", executable=True, content="c")
    text = Inputs("d", (item,), (), ("linux/amd64",), attestations=False, revision="", bases=()).canonical()
    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_the_fingerprint_of_known_inputs_stays_what_it_was() -> None:
    """Another value rebuilds every image once; then SCHEME must count up."""
    inputs = Inputs(
        "dockerfile",
        (Item("a", "file", executable=False, content="1"), Item("b", "directory", executable=False, content="")),
        (("KEY", "value"),),
        ("linux/amd64",),
        attestations=False,
        revision="",
        bases=(("debian:12", ""),),
    )
    assert SCHEME == 2
    assert inputs.fingerprint() == "96c86e56ce63a52b21a02ff4a740161e7aa2d1e8d9ed124ecc5af2f44f0d0c0b"


def test_the_inputs_tag_is_a_tag() -> None:
    assert check_tag(inputs_tag("0" * 64)) == "inputs-" + "0" * 64


def test_a_base_without_a_digest_is_unpinned() -> None:
    inputs = Inputs(
        "d", (), (), (), attestations=False, revision="", bases=(("a", "sha256:1"), ("b", ""), ("c@sha256:2", ""))
    )
    assert inputs.unpinned == ("b",)
