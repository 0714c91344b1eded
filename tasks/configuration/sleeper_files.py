"""The files of Sleeper that settings come from: an instance.properties, and version.txt of its Maven build.

instance.properties is read as `java.util.Properties.load(Reader)` documents it, each value with its line.
docs/decisions/0027-a-row-for-each-setting-and-key.md says why no library reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.configuration.faults import reason
from tasks.errors import SettingsError
from tasks.reference import check_version

VERSION_FILE = "templates/version.txt"
"""Where Sleeper's Maven build writes the version, below SCRIPTS_DIR."""

_LARGEST_FILE = 1024 * 1024
_LONGEST_LINE = 4096

# Java's line ends; str.splitlines knows more of them and would split values.
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\f"
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_SHORT = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_PROPERTY = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*(?:[=:][ \t\f]*)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Property:
    """A value and the line on which it begins."""

    value: str
    line: int


def read_properties(path: Path) -> dict[str, Property]:
    r"""Read a properties file: as UTF-8, or as ISO 8859-1 if it is not valid UTF-8, the two encodings that Java uses.

    Raises:
        SettingsError: the file cannot be read, is too large, or has a malformed `\u` escape.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as fault:
        raise SettingsError(
            f"the instance properties {path} cannot be read: {reason(fault)}",
            "set INSTANCE_PROPERTIES to an instance.properties file, or leave it out",
        ) from fault
    if len(content) > _LARGEST_FILE:
        raise SettingsError(
            f"{path}: larger than {_LARGEST_FILE // 1024} KiB", "set INSTANCE_PROPERTIES to an instance.properties file"
        )
    try:
        return parse_properties(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        return parse_properties(content.decode("iso-8859-1"), str(path))


def parse_properties(content: str, name: str = "instance.properties") -> dict[str, Property]:
    r"""Return the properties of a file's text by key; the last of a duplicate key, as in Java.

    Raises:
        SettingsError: a `\u` escape is malformed; the message begins with `name:line:`.
    """
    found = {}
    for number, line in _logical_lines(content):
        match = _PROPERTY.fullmatch(line)
        assert match is not None  # noqa: S101  # For mypy: the pattern matches every text.
        key, value = (_unescape(part, f"{name}:{number}") for part in match.groups())
        found[key] = Property(value, number)
    return found


def _logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield each line that has a property, joined with its continuations, and the number of its first line."""
    pending: list[str] = []
    first = 0
    lines = _LINE_END.split(content)
    if not lines[-1]:
        lines.pop()  # What follows the last line end is not a line.
    for number, natural in enumerate(lines, 1):
        line = natural.lstrip(_BLANKS)
        if not any(pending):  # A line after a lone backslash may still be blank or a comment.
            first = number
            if not line or line[0] in "#!":
                pending = []
                continue
        if (len(line) - len(line.rstrip("\\"))) % 2:
            pending.append(line[:-1])
        else:
            yield first, "".join(pending) + line
            pending = []
    if pending:
        yield first, "".join(pending)


def _unescape(text: str, where: str) -> str:
    if "\\" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        if match[2] == "u":
            raise SettingsError(
                f"{where}: \\u must be followed by four hexadecimal digits", "write \\\\ for a backslash"
            )
        return _SHORT.get(match[2], match[2])

    # Java's characters are UTF-16 code units; two surrogates in a row are one character beyond U+FFFF.
    return _ESCAPE.sub(replace, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_version(scripts_dir: Path) -> str | None:
    """Return the first line of version.txt, or None if there is no such file.

    Raises:
        SettingsError: the file cannot be read, or its first line cannot be a tag.
    """
    path = scripts_dir / VERSION_FILE
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as fault:
        raise SettingsError(f"{path} cannot be read: {reason(fault)}", "make it readable, or set VERSION") from fault
    try:
        return check_version(first)
    except SettingsError as fault:
        raise SettingsError(f"{path}:1: {fault.message}", "run Sleeper's Maven build again, or set VERSION") from None
