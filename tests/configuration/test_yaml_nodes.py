from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import values, yaml_nodes
from tasks.configuration.faults import Faults
from tasks.configuration.yaml_nodes import VERBATIM, Key, Listing, Mapping, Scalar
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
        ("", "null"),
        ("~", "null"),
        ("null", "null"),
        ("yes", "the boolean yes"),
        ("Off", "the boolean Off"),
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
    found = yaml_nodes.text().read(Scalar(1, text, plain=False), "name", faults)
    assert (found == text and text.isprintable()) if found is not None else messages(faults)


def test_a_number_is_kept_as_it_stands_where_any_scalar_will_do() -> None:
    faults = Faults(Path("x.yaml"))
    assert VERBATIM.read(Scalar(1, "1.10"), "revision", faults) == "1.10"
    assert not messages(faults)


def test_a_text_alone_is_a_list_of_one() -> None:
    assert yaml_nodes.texts(values.stack).read(Scalar(3, "a"), "stacks", Faults(Path("x"))) == {"a": 3}


def test_options_are_sorted_by_name() -> None:
    node = Mapping(1, ((Scalar(1, "b"), Scalar(1, "1")), (Scalar(2, "a"), Scalar(2, "2"))))
    assert yaml_nodes.options(values.driver_option).read(node, "options", Faults(Path("x"))) == (("a", "2"), ("b", "1"))


def test_what_should_be_a_mapping_or_a_list_and_is_not_is_named_for_what_it_is() -> None:
    faults = Faults(Path("x.yaml"))
    keys = (Key("name", yaml_nodes.text(), "its name", required=True),)
    assert yaml_nodes.mappings("a lambda", keys).read(Mapping(1, ()), "lambdas", faults) == ()
    assert yaml_nodes.read_entry(Listing(2, ()), "a lambda", keys, faults).values == {}
    assert messages(faults) == [
        "x.yaml:1: lambdas: must be a list, not a mapping",
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
    assert str(caught.value) == (f"c.yaml:{line}: YAML does not allow a tab as indentation\n  next: use spaces instead")
