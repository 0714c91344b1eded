"""The central directory of a zip archive, entry by entry (PKWARE's APPNOTE.TXT 6.3.10, 4.3.12 and 4.5)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from tasks.errors import UnreadableInputError

STORED, DEFLATED = 0, 8

MAX_ENTRIES = 2_000_000
"""How many entries one archive may have; a fat jar of Sleeper's has about 60,000."""

SIGNATURE = b"PK\1\2"
MAX_32 = 0xFFFFFFFF
"""What stands for a number that the zip64 extra field has."""

ZIP64, UNICODE_PATH = b"\x01\x00", b"up"
"""The kinds of extra field that change what is read, 0x0001 and 0x7075."""

_HEADER = struct.Struct("<4s6H3I5H2I")
_EXTRA = struct.Struct("<2sH")
_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_PATCHED = 1 << 5
_UTF8 = 1 << 11
SEEN_FLAGS = _ENCRYPTED | _PATCHED | _UTF8
"""The general purpose bits that change what is read."""

DAMAGED = "run the Maven build again; if it comes back, see whether the disk is full or something else writes the jar"


def shown(name: bytes) -> str:
    """Return an entry's name for people: UTF-8 where it is, and nothing that a terminal would obey."""
    text = name.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]


def unreadable(label: str, entry: bytes | None, reason: str, next_step: str = DAMAGED) -> UnreadableInputError:
    """Return the error for a fault in the jar `label`, naming the entry where the fault is in one."""
    where = label if entry is None else f"{label}: entry {shown(entry)}"
    return UnreadableInputError(f"{where}: {reason}", next_step)


class Entry(NamedTuple):
    """One entry as the central directory has it.

    Attributes:
        name: its bytes, whatever they encode.
        offset: where its local header begins in the file.
        packed: the length of its compressed bytes.
        size: the length of its content.
        crc: the CRC-32 of its content.
        method: `STORED` or `DEFLATED`.
        flags: the general purpose bits that change what is read.
        mode: the Unix mode, or what stands where one would be.
        host: the system that wrote it; 3 is Unix.
        note: its comment and its Unicode path (which replaces the name for some readers), or empty without both.
    """

    name: bytes
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    mode: int
    host: int
    note: bytes

    @property
    def utf8(self) -> bool:
        """Whether the name says that it is UTF-8."""
        return bool(self.flags & _UTF8)

    @property
    def unicode_path(self) -> bytes:
        """The Unicode path in `note`."""
        return self.note[2 + int.from_bytes(self.note[:2], "little") :]


def read(directory: bytes, shift: int, label: str) -> tuple[list[Entry], bool]:
    """Read a central directory.

    Args:
        directory: its bytes.
        shift: how much later in the file entries begin than the directory states.
        label: what people call the archive, for errors.

    Returns:
        The entries in the directory's order, and whether their extra fields are whole.

    Raises:
        UnreadableInputError: it is damaged, or an entry is encrypted or of a compression that Java has not.
    """
    entries: list[Entry] = []
    whole = True
    at, end = 0, len(directory)
    while at < end:
        if end - at < _HEADER.size or not directory.startswith(SIGNATURE, at):
            raise unreadable(label, None, f"its directory is damaged behind entry number {len(entries)}")
        fields = _HEADER.unpack_from(directory, at)
        _, made_by, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields[:12]
        name_end = at + _HEADER.size + name_length
        name = directory[at + _HEADER.size : name_end]
        extra_end = name_end + extra_length
        at = extra_end + fields[12]
        if at > end or len(entries) == MAX_ENTRIES:
            limit = f"it has more than {MAX_ENTRIES:,} entries" if at <= end else "its directory is cut short"
            raise unreadable(label, None, limit)
        offset, comment, path = fields[16], directory[extra_end:at], b""
        if extra_length:
            extra = extra_fields(directory[name_end:extra_end])
            whole = whole and extra is not None
            path = (extra or {}).get(UNICODE_PATH, b"")
            if MAX_32 in (packed, size, offset):
                size, packed, offset = _long_values(extra or {}, (size, packed, offset), label, name)
        if flags & (_ENCRYPTED | _PATCHED) or method not in (STORED, DEFLATED):
            raise _unsupported(label, name, flags, method)
        flags, mode, host, note = flags & SEEN_FLAGS, fields[15] >> 16, made_by >> 8, b""
        if comment or path:
            note = len(comment).to_bytes(2, "little") + comment + path
        entries.append(Entry(name, offset + shift, packed, size, crc, method, flags, mode, host, note))
    return entries, whole


def _unsupported(label: str, name: bytes, flags: int, method: int) -> UnreadableInputError:
    if flags & _ENCRYPTED:
        return unreadable(label, name, "it is encrypted", "put the jar there without a password")
    reason = "it is a patch" if flags & _PATCHED else f"it is compressed by method {method}, which Java does not read"
    return unreadable(label, name, reason, "pack the jar again, its entries stored or deflated")


def extra_fields(extra: bytes) -> dict[bytes, bytes] | None:
    """Return an entry's extra fields by their kind, or None where readers may take them for different ones."""
    fields: dict[bytes, bytes] = {}
    at = 0
    while at < len(extra):
        if at + _EXTRA.size > len(extra):
            return None
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size + length
        if at > len(extra) or kind in fields:
            return None
        fields[kind] = extra[at - length : at]
    return fields


def _long_values(
    extra: dict[bytes, bytes], short: tuple[int, int, int], label: str, name: bytes
) -> tuple[int, int, int]:
    """Return size, packed size and offset, each from the zip64 extra field where its 32 bits are not enough."""
    field = extra.get(ZIP64, b"")
    values, at = [], 0
    for value in short:
        if value == MAX_32:
            if at + 8 > len(field):
                raise unreadable(label, name, "its zip64 sizes are missing")
            values.append(int.from_bytes(field[at : at + 8], "little"))
            at += 8
        else:
            values.append(value)
    return values[0], values[1], values[2]
