from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import yaml_nodes
from tasks.configuration.faults import Faults
from tasks.configuration.yaml_nodes import Listing, Mapping, Scalar
from tasks.errors import CatalogueError


def messages(faults: Faults) -> list[str]:
    try:
        faults.check("correct it")
    except CatalogueError as fault:
        return fault.message.splitlines()
    return []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "nothing"),
        ("~", "nothing"),
        ("null", "nothing"),
        ("yes", "the true-or-false value yes"),
        ("Off", "the true-or-false value Off"),
        ("12", "the number 12"),
        ("1.10", "the number 1.10"),
        ("1e3", "the number 1e3"),
        ("0x1F", "the number 0x1F"),
        ("1.2.3", "text"),
        ("ingest", "text"),
    ],
)
def test_a_value_without_quotes_is_what_yaml_readers_take_it_for(text: str, kind: str) -> None:
    assert yaml_nodes.kind(Scalar(1, text)) == kind


@given(st.text())
def test_a_value_in_quotes_is_text(text: str) -> None:
    assert yaml_nodes.kind(Scalar(1, text, plain=False)) == "text"


@given(st.text())
def test_what_is_taken_as_text_is_one_printable_line_as_it_stands(text: str) -> None:
    faults = Faults(Path("x.yaml"))
    found = yaml_nodes.text(Scalar(1, text, plain=False), "the name", faults)
    assert (found == text and text.isprintable()) if found is not None else messages(faults)


def test_a_number_is_kept_as_it_stands_where_any_scalar_will_do() -> None:
    faults = Faults(Path("x.yaml"))
    assert yaml_nodes.verbatim(Scalar(1, "1.10"), "the revision", faults) == "1.10"
    assert not messages(faults)


def test_a_text_alone_is_a_list_of_one() -> None:
    assert yaml_nodes.texts(Scalar(3, "a"), "the stack", Faults(Path("x"))) == (("a", 3),)


def test_options_are_sorted_by_name() -> None:
    node = Mapping(1, ((Scalar(1, "b"), Scalar(1, "1")), (Scalar(2, "a"), Scalar(2, "2"))))
    assert yaml_nodes.options(node, "options", Faults(Path("x")), lambda _: None) == (("a", "2"), ("b", "1"))


def test_what_should_be_a_mapping_or_a_list_and_is_not_is_named_for_what_it_is() -> None:
    faults = Faults(Path("x.yaml"))
    assert yaml_nodes.items(Mapping(1, ()), "lambdas", faults) == ()
    assert yaml_nodes.fields(Listing(2, ()), "a lambda", ("name",), ("name",), faults) == {}
    assert messages(faults) == [
        "x.yaml:1: lambdas must be a list, not a mapping",
        "x.yaml:2: a lambda must be a mapping, not a list",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a:\n\t- b\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a:\n  - b: 1\n\t  c: 2\n", 3),
        ("a:\n  -\tb\n", 2),
        ("a: |\n\tb\n", 2),
    ],
)
def test_a_tab_as_indentation_is_told_as_one_with_its_line(content: str, line: int) -> None:
    with pytest.raises(CatalogueError) as caught:
        yaml_nodes.parse(content, Path("c.yaml"))
    assert str(caught.value) == (
        f"c.yaml:{line}: a tab, which YAML does not take as indentation\n  next: write spaces in its place"
    )
