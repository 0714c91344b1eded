from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.configuration import sleeper_files
from tasks.configuration.sleeper_files import Property
from tasks.errors import SettingsError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def values(content: str) -> dict[str, str]:
    return {key: found.value for key, found in sleeper_files.parse_properties(content).items()}


def stored(text: str) -> str:
    """A text as java.util.Properties.store writes it."""
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)]
    return "".join(
        "\\" + chr(code) if chr(code) in " =:#!\\" else chr(code) if 0x20 < code < 0x7F else f"\\u{code:04X}"
        for code in codes
    )


@given(st.dictionaries(TEXT, TEXT))
@example({"": ""})
@example({"a\r\nb": " 😀 \\"})
def test_what_java_stores_is_read_back(written: dict[str, str]) -> None:
    content = "#Sat Nov 22\n" + "".join(f"{stored(key)}={stored(value)}\n" for key, value in written.items())
    assert written == values(content)


def faults(content: str) -> str:
    try:
        sleeper_files.parse_properties(content, "some.properties")
    except SettingsError as fault:
        return fault.message
    return ""


@given(TEXT)
@example("a=\\u12")
def test_any_text_is_read_or_refused_with_its_line(content: str) -> None:
    assert not (message := faults(content)) or re.match(r"some\.properties:\d+: ", message)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("sleeper.id=mine", {"sleeper.id": "mine"}),
        ("sleeper.id = mine", {"sleeper.id": "mine"}),
        ("sleeper.id: mine", {"sleeper.id": "mine"}),
        ("sleeper.id mine", {"sleeper.id": "mine"}),
        ("  sleeper.id=mine ", {"sleeper.id": "mine "}),
        ("sleeper.id", {"sleeper.id": ""}),
        ("a==b", {"a": "=b"}),
        ("a\\=b=c", {"a=b": "c"}),
        ("# a=b\n ! c=d", {}),
        ("a=one,\\\n    two", {"a": "one,two"}),
        ("a=one\\\n# two", {"a": "one# two"}),
        ("a=x\\\\\nb=y", {"a": "x\\", "b": "y"}),
        ("a=end\\", {"a": "end"}),
        ("\\\n# b\n\\\n\na=1", {"a": "1"}),
        ("\\", {"": ""}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1\na=2", {"a": "2"}),
        ("a=\\u00e9\\t\\q", {"a": "é\tq"}),
        ("a=one\u2028two", {"a": "one\u2028two"}),
    ],
)
def test_a_line_is_read_as_java_reads_it(content: str, expected: dict[str, str]) -> None:
    assert expected == values(content)


def test_a_property_knows_the_line_on_which_it_begins() -> None:
    found = sleeper_files.parse_properties("# one\n\na=x,\\\n  y\nb=z\n")
    assert {"a": Property("x,y", 3), "b": Property("z", 5)} == found


def test_a_malformed_escape_is_refused_with_its_line() -> None:
    with pytest.raises(SettingsError, match=r"^some\.properties:2: \\u must be followed by four"):
        sleeper_files.parse_properties("a=1\nb=\\u12\n", "some.properties")


def test_a_file_that_is_no_utf_8_is_read_as_iso_8859_1(tmp_path: Path) -> None:
    file = tmp_path / "instance.properties"
    file.write_bytes("a=é".encode("iso-8859-1"))
    assert {"a": Property("é", 1)} == sleeper_files.read_properties(file)


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file") as caught:
        sleeper_files.read_properties(tmp_path / "absent.properties")
    assert "INSTANCE_PROPERTIES" in caught.value.next_step


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "instance.properties"
    file.write_bytes(b"a" * (1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="larger than 1024 KiB"):
        sleeper_files.read_properties(file)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    return tmp_path / sleeper_files.VERSION_FILE


def test_without_a_file_there_is_no_version(tmp_path: Path) -> None:
    assert sleeper_files.read_version(tmp_path) is None
    (tmp_path / "templates").write_text("a file where the directory should be")
    assert sleeper_files.read_version(tmp_path) is None


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, place: Path) -> None:
    place.mkdir()
    with pytest.raises(SettingsError, match=r"version\.txt cannot be read: Is a directory") as caught:
        sleeper_files.read_version(tmp_path)
    assert "VERSION" in caught.value.next_step


@pytest.mark.parametrize("content", [b"", b"\n1.0", b"\xff\xfe", b"1" * 5000], ids=["empty", "later", "binary", "long"])
def test_a_first_line_that_can_be_no_tag_is_refused_with_its_place(tmp_path: Path, place: Path, content: bytes) -> None:
    place.write_bytes(content)
    with pytest.raises(SettingsError, match=r"version\.txt:1: "):
        sleeper_files.read_version(tmp_path)
