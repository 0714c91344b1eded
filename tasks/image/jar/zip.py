"""The zip format as readers of jars see it: where the entries are, and whether all readers would see the same.

Java's `ZipFile` goes by the central directory, `JarInputStream` by the local header before each entry. An archive is
*regular* if both say the same and every byte is accounted for: the bytes before the first entry, the entries one after
another, the directory, and the end record with its comment. The format is that of PKWARE's APPNOTE.TXT 6.3.10.

docs/decisions/0029-the-zip-format-is-read-here.md says why the standard library's `zipfile` does not read it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from tasks.errors import UnreadableInputError
from tasks.image.jar.file_state import Source
from tasks.system.text import printable

STORED, DEFLATED = 0, 8

MAX_ENTRIES = 2_000_000
"""The most entries of one archive; a fat jar of Sleeper has about 60,000."""

_HEADER = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_EXTRA = struct.Struct("<2sH")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_DESCRIPTORS = (struct.Struct("<3I"), struct.Struct("<I2Q"))

_HEADER_SIGNATURE, _LOCAL_SIGNATURE, _END_SIGNATURE = b"PK\1\2", b"PK\3\4", b"PK\5\6"
_END_64_SIGNATURE, _LOCATOR_64_SIGNATURE, _DESCRIPTOR_SIGNATURE = b"PK\6\6", b"PK\6\7", b"PK\7\x08"

_ZIP64, _UNICODE_PATH = b"\x01\x00", b"up"
"""The extra fields that change what is read, 0x0001 and 0x7075."""

_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_DESCRIPTOR = 1 << 3
_PATCHED = 1 << 5
_UTF8 = 1 << 11
_SEEN_FLAGS = _ENCRYPTED | _PATCHED | _UTF8
"""The general purpose bits that change what is read."""

_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF
"""Stands for a number that is in the zip64 extra field."""

_SLACK = 0xFFFF + 64
"""More than the longest extra field with a data descriptor: what follows an entry's bytes is read along with them."""

_DAMAGED = (
    "run the Maven build again; if it happens again, check that the disk is not full and nothing else writes the jar"
)


def shown(name: bytes) -> str:
    """Return an entry's name for people: as UTF-8 where it is, with everything else escaped."""
    return printable(name.decode("utf-8", "backslashreplace"))


def unreadable(label: str, entry: bytes | None, reason: str, next_step: str = _DAMAGED) -> UnreadableInputError:
    """Return the error for a fault in the jar `label`, or in one entry of it."""
    where = label if entry is None else f"{label}: entry {shown(entry)}"
    return UnreadableInputError(f"{where}: {reason}", next_step)


class Entry(NamedTuple):
    """One entry, as the central directory describes it.

    Attributes:
        name: its bytes, in whatever encoding.
        offset: where its local header begins in the file.
        packed: the length of its compressed bytes.
        size: the length of its content.
        crc: the CRC-32 of its content.
        method: `STORED` or `DEFLATED`.
        flags: the general purpose bits that change what is read.
        mode: the Unix mode, or what is in its place.
        host: the system that wrote it; 3 is Unix.
        note: its comment and its Unicode path (which some readers take as the name), or empty without both.
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
        """Whether the entry says that its name is UTF-8."""
        return bool(self.flags & _UTF8)

    @property
    def unicode_path(self) -> bytes:
        """The Unicode path in `note`."""
        return self.note[2 + int.from_bytes(self.note[:2], "little") :]


@dataclass
class Archive:
    """A zip archive's directory.

    Attributes:
        source: its bytes.
        label: its name in errors.
        entries: in the order of the file.
        listed: in the order of the directory; the same list if the orders are the same.
        directory: where the central directory begins.
        comment: the archive's comment.
        regular: whether all readers see the same and every byte is accounted for, in what has been read so far.
    """

    source: Source
    label: str
    entries: list[Entry]
    listed: list[Entry]
    directory: int
    comment: bytes
    regular: bool

    @property
    def first(self) -> int:
        """Where the first entry begins: the number of bytes before it."""
        return self.entries[0].offset if self.entries else self.directory

    def packed(self, entry: Entry, limit: int) -> bytes:
        """Return the entry's compressed bytes; clears `regular` if its local header disagrees with the directory.

        `limit` is where the next entry, or the directory, begins.

        Raises:
            UnreadableInputError: there is no local header, or the entry extends beyond `limit`.
        """
        name, _, packed, size, crc, _, _, _, _, _ = entry
        extent = limit - entry.offset
        least = _LOCAL.size + len(name) + packed
        if least > extent:
            raise _overlapping(self, entry)
        chunk = self.source.at(entry.offset, min(extent, least + _SLACK))
        if len(chunk) < _LOCAL.size or not chunk.startswith(_LOCAL_SIGNATURE):
            raise unreadable(self.label, name, "no entry begins where the directory says that it does")
        local = _LOCAL.unpack_from(chunk)
        name_end = _LOCAL.size + local[9]
        begin = name_end + local[10]
        end = begin + packed
        if end > extent:
            raise _overlapping(self, entry)
        bare = end == extent == least and not entry.note and not local[2] & _DESCRIPTOR
        if (
            chunk[_LOCAL.size : name_end] != name
            or local[3] != entry.method
            or (local[2] ^ entry.flags) & _SEEN_FLAGS
            or not (
                (bare and local[6:9] == (crc, packed, size))
                or _agrees(entry, local, chunk[name_end:begin], chunk[end:extent])
            )
        ):
            self.regular = False
        return chunk[begin:end]


def _overlapping(archive: Archive, entry: Entry) -> UnreadableInputError:
    # Readers that stream skip what others find; and a file of a few megabytes can state petabytes in this way.
    reason = "it overlaps the next entry, as in a zip bomb"
    return unreadable(archive.label, entry.name, reason, "pack the jar again, its entries one after another")


def open_archive(source: Source, label: str) -> Archive | None:
    """Read the directory of a zip archive, whose name in errors is `label`; None if it is not a zip archive at all.

    Raises:
        UnreadableInputError: it is truncated, damaged, encrypted, split, or compressed by a method that Java lacks.
    """
    tail = source.at(tail_start := max(0, source.size - _END.size - _MAX_16), _END.size + _MAX_16)
    found = _find_end(tail)
    if found is None:
        if source.at(0, 4) == _LOCAL_SIGNATURE:
            raise unreadable(label, None, "it begins as a zip archive and has no end record: it is truncated")
        return None
    end = tail_start + found
    _, disk, directory_disk, _, count, size, stated, comment_length = _END.unpack_from(tail, found)
    comment = tail[found + _END.size :]
    regular = comment_length == len(comment) and _END_SIGNATURE not in comment
    if disk or directory_disk:
        raise unreadable(label, None, "it is one part of a split archive", "put the complete jar there")
    long = _read_end_64(source, end)
    if long is not None:
        end, long_count, long_size, long_stated, tidy = long
        short = ((count, long_count, _MAX_16), (size, long_size, _MAX_32), (stated, long_stated, _MAX_32))
        regular = regular and tidy and all(small in (large, most) for small, large, most in short)
        count, size, stated = long_count, long_size, long_stated
    directory = end - size
    shift = directory - stated
    if directory < 0 or shift < 0:
        raise unreadable(label, None, "its directory cannot be where the end record says: it is truncated or damaged")
    if shift and source.at(stated, 4) == _HEADER_SIGNATURE:
        regular = False
    entries, whole = _read_directory(source.at(directory, size), shift, label)
    regular = regular and whole
    if len(entries) != count:
        if long is not None or len(entries) & _MAX_16 != count:
            raise unreadable(label, None, f"its directory has {len(entries)} entries, and its end record says {count}")
        regular = False
    listed = entries
    if any(entry.offset > after.offset for entry, after in pairwise(entries)):
        # Of two entries of one name, readers that stream and readers that look up may now take different ones.
        regular = regular and len({entry.name for entry in entries}) == len(entries)
        entries = sorted(entries, key=attrgetter("offset"))
    return Archive(source, label, entries, listed, directory, comment, regular)


def _find_end(tail: bytes) -> int | None:
    """Return where the end record is: the last whose comment reaches the end of the file, as in Java, or the last."""
    at = last = tail.rfind(_END_SIGNATURE, 0, max(0, len(tail) - _END.size + len(_END_SIGNATURE)))
    while at >= 0:
        if at + _END.size + _END.unpack_from(tail, at)[-1] == len(tail):
            return at
        at = tail.rfind(_END_SIGNATURE, 0, at + len(_END_SIGNATURE) - 1)
    return last if last >= 0 else None


def _read_end_64(source: Source, end: int) -> tuple[int, int, int, int, bool] | None:
    """Return a zip64 end record as (its place, entries, directory's size, its offset, tidy), or None without one."""
    locator = source.at(end - _LOCATOR_64.size, _LOCATOR_64.size) if end >= _LOCATOR_64.size else b""
    if not locator.startswith(_LOCATOR_64_SIGNATURE):
        return None
    stated = _LOCATOR_64.unpack(locator)[2]
    behind = end - _LOCATOR_64.size - _END_64.size
    for at in (behind, stated):
        record = source.at(at, _END_64.size) if at >= 0 else b""
        if len(record) == _END_64.size and record.startswith(_END_64_SIGNATURE):
            _, length, _, _, disk, directory_disk, _, count, size, offset = _END_64.unpack(record)
            tidy = at == behind and length == _END_64.size - 12 and not disk and not directory_disk
            return at, count, size, offset, tidy
    return None


def _read_directory(directory: bytes, shift: int, label: str) -> tuple[list[Entry], bool]:
    """Read a central directory (4.3.12 of APPNOTE.TXT).

    Entries begin `shift` bytes later in the file than the directory states.

    Returns:
        The entries in the directory's order, and whether their extra fields are well formed.

    Raises:
        UnreadableInputError: it is damaged, or an entry is encrypted or compressed by a method that Java lacks.
    """
    entries: list[Entry] = []
    whole = True
    at, end = 0, len(directory)
    while at < end:
        if end - at < _HEADER.size or not directory.startswith(_HEADER_SIGNATURE, at):
            raise unreadable(label, None, f"its directory is damaged after entry number {len(entries)}")
        fields = _HEADER.unpack_from(directory, at)
        _, made_by, _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields[:12]
        name_end = at + _HEADER.size + name_length
        name = directory[at + _HEADER.size : name_end]
        extra_end = name_end + extra_length
        at = extra_end + fields[12]
        if at > end or len(entries) == MAX_ENTRIES:
            limit = f"it has more than {MAX_ENTRIES:,} entries" if at <= end else "its directory is truncated"
            raise unreadable(label, None, limit)
        offset, comment, path = fields[16], directory[extra_end:at], b""
        if extra_length:
            extra = _extra_fields(directory[name_end:extra_end])
            whole = whole and extra is not None
            path = (extra or {}).get(_UNICODE_PATH, b"")
            if _MAX_32 in (packed, size, offset):
                size, packed, offset = _long_values(extra or {}, (size, packed, offset), label, name)
        if flags & (_ENCRYPTED | _PATCHED) or method not in (STORED, DEFLATED):
            raise _unsupported(label, name, flags, method)
        flags, mode, host, note = flags & _SEEN_FLAGS, fields[15] >> 16, made_by >> 8, b""
        if comment or path:
            note = len(comment).to_bytes(2, "little") + comment + path
        entries.append(Entry(name, offset + shift, packed, size, crc, method, flags, mode, host, note))
    return entries, whole


def _unsupported(label: str, name: bytes, flags: int, method: int) -> UnreadableInputError:
    if flags & _ENCRYPTED:
        return unreadable(label, name, "it is encrypted", "put a jar without a password there")
    reason = f"it is compressed by method {method}, which Java does not read"
    if flags & _PATCHED:
        reason = "it holds patch data (PKWARE), which Java does not read"
    return unreadable(label, name, reason, "pack the jar again, its entries stored or deflated")


def _extra_fields(extra: bytes) -> dict[bytes, bytes] | None:
    """Return an entry's extra fields by their kind (4.5), or None if readers may take them for different ones."""
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
    """Return size, packed size and offset, each from the zip64 extra field if 32 bits are too few for it (4.5.3)."""
    field = extra.get(_ZIP64, b"")
    values, at = [], 0
    for value in short:
        if value == _MAX_32:
            if at + 8 > len(field):
                raise unreadable(label, name, "its zip64 sizes are missing")
            values.append(int.from_bytes(field[at : at + 8], "little"))
            at += 8
        else:
            values.append(value)
    return values[0], values[1], values[2]


def _agrees(entry: Entry, local: tuple[Any, ...], extra: bytes, following: bytes) -> bool:
    """Whether a local header with extra fields or a data descriptor agrees with the directory's entry.

    `following` are the bytes between the entry's compressed bytes and the next entry.
    """
    fields = _extra_fields(extra)
    if fields is None or fields.get(_UNICODE_PATH, b"") != entry.unicode_path:
        return False
    crc, packed, size = local[6:9]
    if local[2] & _DESCRIPTOR:
        # Java's ZipInputStream refuses one after a stored entry, as it cannot find the end of that entry.
        if entry.method == STORED:
            return False
        sizes = crc in (0, entry.crc) and packed in (0, entry.packed, _MAX_32) and size in (0, entry.size, _MAX_32)
        return sizes and _is_descriptor(following, entry)
    if packed == size == _MAX_32 and (long := fields.get(_ZIP64)) is not None:
        size, packed = (int.from_bytes(long[at : at + 8], "little") for at in (0, 8))
    return not following and (crc, packed, size) == (entry.crc, entry.packed, entry.size)


def _is_descriptor(following: bytes, entry: Entry) -> bool:
    for form in _DESCRIPTORS:
        if max(entry.packed, entry.size) <= _MAX_32 or form.size > _DESCRIPTORS[0].size:
            record = form.pack(entry.crc, entry.packed, entry.size)
            if following in (record, _DESCRIPTOR_SIGNATURE + record):
                return True
    return False
