"""A Java properties file, as `java.util.Properties.load(Reader)` documents it, each value with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import SettingsError

_LARGEST_FILE = 1024 * 1024

# Java's line ends; str.splitlines knows more of them, and would split values.
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\f"
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.?))", re.DOTALL)
_SHORT = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_KEY = re.compile(r"(?:[^\\=: \t\f]|\\.)*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*(?:[=:][ \t\f]*)?")


@dataclass(frozen=True)
class Property:
    """A value and the line on which it begins."""

    value: str
    line: int


def read(path: Path) -> dict[str, Property]:
    r"""Read a properties file in UTF-8, or in ISO 8859-1 where it is no UTF-8, as Java's two ways to load one do.

    Raises:
        SettingsError: it cannot be read, is too large, or holds a malformed `\u` escape.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise SettingsError(
            f"{path}: the instance properties cannot be read: {reason}",
            "set INSTANCE_PROPERTIES to an instance.properties file, or leave it out",
        ) from fault
    if len(content) > _LARGEST_FILE:
        raise SettingsError(f"{path}: larger than {_LARGEST_FILE // 1024} KiB", "name an instance.properties file")
    try:
        return parse(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        return parse(content.decode("iso-8859-1"), str(path))


def parse(content: str, name: str = "instance.properties") -> dict[str, Property]:
    r"""Return every property of a file's text; of a key that is there twice the last, as in Java.

    Args:
        content: the file's text.
        name: the file, for messages.

    Raises:
        SettingsError: a malformed `\u` escape; the message begins with `name:line:`.
    """
    found = {}
    for number, line in _logical_lines(content):
        key = _KEY.match(line)
        assert key is not None  # noqa: S101  # Told to mypy: the pattern matches the empty text too.
        separator = _SEPARATOR.match(line, key.end())
        assert separator is not None  # noqa: S101  # As above.
        where = f"{name}:{number}"
        found[_unescape(key[0], where)] = Property(_unescape(line[separator.end() :], where), number)
    return found


def _logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield each line that holds a property, its continuations joined to it, with the number of its first line."""
    pending: list[str] = []
    first = 0
    for number, natural in enumerate(_LINE_END.split(content), 1):
        line = natural.lstrip(_BLANKS)
        if not pending:
            first = number
            if not line or line[0] in "#!":
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
            raise SettingsError(f"{where}: a \\u without four hexadecimal digits", "write \\\\ for a backslash")
        return _SHORT.get(match[2], match[2])

    # Java's characters are halves of what lies beyond U+FFFF; two halves that follow each other are one character.
    return _ESCAPE.sub(replace, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
