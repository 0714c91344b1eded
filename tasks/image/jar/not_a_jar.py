"""What a file is that should be a jar and is not."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import UnreadableInputError

_HEAD_BYTES = 1024
_TAR_AT = 257

EMPTY_BYTES = 22
"""What a zip archive without entries has: its end record."""

_LFS = b"version https://git-lfs.github.com/spec/"
_KINDS = (
    (b"<!doctype html", "an HTML page, such as a server gives instead of a file"),
    (b"<html", "an HTML page, such as a server gives instead of a file"),
    (b"<?xml", "an XML document, such as a server gives instead of a file"),
    (b"{", "a JSON document, such as a server gives instead of a file"),
    (b"pk\5\6", "a zip archive without entries"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"bzh", "compressed by bzip2"),
    (b"\xfd7zxz", "compressed by xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\xca\xfe\xba\xbe", "a Java class"),
    (b"\x7felf", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
)
"""What files of a kind begin with, in lower case."""

_BUILD = "run the Maven build, or fetch the jar again"


def refusal(path: Path, ignorable: str = "") -> UnreadableInputError:
    """Return the error for a file that its name calls a jar and that is not a zip archive.

    Args:
        path: the file.
        ignorable: its path for the ignore file, where the image may do without it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        head = b"?"
    what, step = _what(head, path)
    if ignorable:
        step += f"; where the image does not need it, name {ignorable} in its .dockerignore"
    return UnreadableInputError(f"{path} is not a jar: it is {what}", step)


def _what(head: bytes, path: Path) -> tuple[str, str]:
    if not head:
        return "empty", _BUILD
    if head.startswith(_LFS):
        return "a Git LFS pointer, not the file itself", f"git -C {path.parent} lfs pull"
    if head[_TAR_AT:].startswith(b"ustar"):
        return "a tar archive", _BUILD
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for mark, kind in _KINDS if start.startswith(mark)), "not a zip archive"), _BUILD
