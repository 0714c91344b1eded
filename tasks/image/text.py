"""Text files that BuildKit reads: Dockerfiles and ignore files, which must be UTF-8."""

from __future__ import annotations

import re
from pathlib import Path

from tasks.errors import UnreadableInputError

_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

_LATIN = 3
"""In UTF-16, more than one byte in three is 0 if the text is mostly ASCII."""

UNDECODED = re.compile("[\udc80-\udcff]")
"""Finds what `decoded` puts in place of a byte that is not UTF-8."""


def decoded(content: bytes, path: Path) -> str:
    """Return a file's text without a byte order mark; UNDECODED finds the bytes in it that are not UTF-8.

    Raises:
        UnreadableInputError: the text is UTF-16 or UTF-32.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding and content.count(0) * _LATIN > len(content):
        encoding = "UTF-16"
    if encoding:
        raise UnreadableInputError(f"{path} is in {encoding}, and BuildKit reads UTF-8 only", f"save {path} as UTF-8")
    return content.decode("utf-8-sig", "surrogateescape")
