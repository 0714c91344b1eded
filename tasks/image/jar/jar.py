"""A jar's meaning: one digest that moves with what a JVM may see in it, and with nothing else.

A Maven build gives a jar new bytes each time; its meaning stays. What counts and what does not is told, with the
reasons, in docs/jar.md. Where an archive is not regular (see `tasks.image.jar.archive`), the rules below could miss
what one reader or another sees, so its bytes count as well: then a rebuild may be needless, but no change is missed.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from tasks.image import scheme
from tasks.image.jar import order
from tasks.image.jar.archive import Archive, open_archive
from tasks.image.jar.central_directory import DEFLATED, Entry, shown, unreadable
from tasks.image.jar.stamp import FileStamp
from tasks.image.source import Source, opened

MAX_ENTRY_BYTES = 1 << 30
"""How large one entry may be when inflated."""

MAX_TOTAL_BYTES = 8 << 30
"""How large all entries of a jar may be together when inflated, those of the jars inside it included."""

MAX_DEPTH = 4
"""How deep jars may lie in jars; Spring Boot's lie one deep."""

KNOWN_KEY_BYTES, KNOWN_VALUE_BYTES = 44, 32
"""The lengths of a key and a value of `known`, see `digest`."""

_TOO_LARGE = "take it out of the jar; where it belongs there, raise the limit in tasks/image/jar/jar.py"

_DOMAIN = b"sleeper-images: a jar's meaning\0"
_UNIX = 3
_SYMLINK, _REGULAR, _DIRECTORY = 0xA, 0x8, 0x4
_OWNER_EXECUTES = 0o100
_EXECUTABLE, _UTF8_NAME, _JAR_INSIDE, _DEFLATED_INSIDE, _POM_PROPERTIES, _OTHER_HOST = (1 << bit for bit in range(6))

_DATE_COMMENT = re.compile(
    rb"\A((?:[#!][^\r\n]*\r?\n)?#)"
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    rb"[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [A-Za-z0-9:+-]{1,9} [0-9]{4}(?=\r?\n|\Z)"
)
"""What `Properties.store` writes: a line for the caller's comment, if any, then one with `Date.toString()`."""


@dataclass(frozen=True)
class Contents:
    """What counts of an archive.

    Attributes:
        facts: names and values of what counts of the whole.
        records: the name of each entry and what counts of it, sorted by name.
    """

    facts: tuple[tuple[str, bytes], ...]
    records: list[tuple[bytes, bytes]]

    def digest(self) -> bytes:
        """Return the sha256 of all of it."""
        parts = [_DOMAIN, scheme.JAR.to_bytes(4, "little")]
        for _, value in self.facts:
            parts += len(value).to_bytes(4, "little"), value
        parts.append(len(self.records).to_bytes(4, "little"))
        for name, record in self.records:
            parts += len(name).to_bytes(4, "little"), name, len(record).to_bytes(4, "little"), record
        return hashlib.sha256(b"".join(parts)).digest()


@dataclass(frozen=True)
class Meaning:
    """What was read of a jar.

    Attributes:
        digest: `jar-<scheme>:<hexadecimal>`, or `sha256:<hexadecimal>` of the bytes of what is no zip archive.
        contents: what counts of the archive; None where it is none.
    """

    digest: str
    contents: Contents | None

    def entries(self) -> dict[str, str]:
        """Return what the meaning is made of, to tell which entries of two jars differ.

        Returns:
            Each entry's name, the second of one name as `name (2)`, and a digest of what counts of it; then, in
            parentheses, what counts of the archive as a whole. Two jars have one meaning exactly when these are
            equal. What is no zip archive has nothing but `(bytes)`.
        """
        if self.contents is None:
            return {"(bytes)": self.digest.partition(":")[2]}
        listing: dict[str, str] = {}
        seen: Counter[bytes] = Counter()
        for name, record in self.contents.records:
            seen[name] += 1
            text = shown(name) if seen[name] == 1 else f"{shown(name)} ({seen[name]})"
            # Names that are shown alike, and a name that ends like a second one's, still get a line each.
            while text in listing:
                text += "'"
            listing[text] = hashlib.sha256(record).hexdigest()
        facts = {f"({fact})": hashlib.sha256(value).hexdigest() for fact, value in self.contents.facts if value}
        return listing | facts


def read(path: Path, known: dict[bytes, bytes] | None = None, expected: FileStamp | None = None) -> Meaning:
    """Read a jar.

    Args:
        path: the jar.
        known: inflated entries seen before; what is inflated now is added. A key is the sha256 of an entry's deflated
            bytes with the CRC-32 and the size that it states, a value the sha256 of its content: equal deflated bytes
            are a proof of equal content.
        expected: what the file must be like; None for whatever is there.

    Raises:
        ChangedWhileBuildingError: the path leads to another file than `expected`, or it changed.
        MissingInputError: there is no such file.
        UnreadableInputError: it is truncated, damaged, encrypted, beyond the limits above, or cannot be read.
    """
    with opened(path, expected) as source:
        archive = open_archive(source, str(path))
        if archive is None:
            return Meaning(f"sha256:{source.sha256().hex()}", None)
        contents = _Reader({} if known is None else known).contents(archive)
    return Meaning(f"jar-{scheme.JAR}:{contents.digest().hex()}", contents)


@dataclass
class _Reader:
    """Reads one jar and the jars inside it.

    Attributes:
        known: deflated bytes whose content's digest is known.
        left: how many bytes may still be inflated.
    """

    known: dict[bytes, bytes]
    left: int = field(default_factory=lambda: MAX_TOTAL_BYTES)

    def digest(self, source: Source, label: str, depth: int = 0) -> tuple[bool, bytes]:
        """Return whether it is a zip archive, and its meaning or the sha256 of its bytes."""
        archive = open_archive(source, label)
        if archive is None:
            return False, source.sha256()
        return True, self.contents(archive, depth).digest()

    def contents(self, archive: Archive, depth: int = 0) -> Contents:
        self._check_sizes(archive)
        in_order = archive.entries
        limits = [entry.offset for entry in in_order[1:]] + [archive.directory]
        records = [
            (entry.name, self._record(archive, entry, limit, depth))
            for entry, limit in zip(in_order, limits, strict=bool(in_order))
        ]
        # A stable sort, so that duplicates keep the order in which they stand in the file.
        records.sort(key=itemgetter(0))
        source = archive.source
        facts = (
            *order.facts(in_order, archive.listed),
            ("bytes before the first entry", source.sha256(0, archive.first) if archive.first else b""),
            ("comment", archive.comment),
            ("layout", b"" if archive.regular else source.sha256()),
        )
        return Contents(facts, records)

    def _check_sizes(self, archive: Archive) -> None:
        for entry in archive.entries:
            self.left -= entry.size
            if max(entry.size, entry.packed) > MAX_ENTRY_BYTES:
                reason = f"it would inflate to {entry.size:,} bytes; the limit is {MAX_ENTRY_BYTES:,}"
                raise unreadable(archive.label, entry.name, reason, _TOO_LARGE)
            if self.left < 0:
                reason = f"with it the jar would inflate to more than {MAX_TOTAL_BYTES:,} bytes"
                raise unreadable(archive.label, entry.name, reason, _TOO_LARGE)

    def _record(self, archive: Archive, entry: Entry, limit: int, depth: int) -> bytes:
        """Return what counts of an entry besides its name."""
        name, deflated = entry.name, entry.method == DEFLATED
        packed = archive.packed(entry, limit)
        bits = _UTF8_NAME if entry.utf8 and not name.isascii() else 0
        if name.endswith(b".jar"):
            bits |= _DEFLATED_INSIDE if deflated else 0
            is_jar, value = self._jar_inside(archive, entry, packed, depth)
            bits |= _JAR_INSIDE if is_jar else 0
        elif name.endswith(b"/pom.properties") and name.startswith(b"META-INF/maven/"):
            bits |= _POM_PROPERTIES
            content = _DATE_COMMENT.sub(rb"\1", _content(archive, entry, packed))
            value = hashlib.sha256(content).digest()
        elif deflated:
            value = self._inflated_digest(archive, entry, packed)
        else:
            value = hashlib.sha256(_content(archive, entry, packed)).digest()
        kind, executable = _attributes(entry)
        bits |= _EXECUTABLE if executable else 0
        bits |= _OTHER_HOST if (kind or executable) and entry.host != _UNIX else 0
        return bytes((kind, bits)) + value + entry.note

    def _inflated_digest(self, archive: Archive, entry: Entry, packed: bytes) -> bytes:
        key = hashlib.sha256(packed).digest() + entry.crc.to_bytes(4, "little") + entry.size.to_bytes(8, "little")
        value = self.known.get(key)
        if value is None:
            was_regular, archive.regular = archive.regular, True
            value = hashlib.sha256(_content(archive, entry, packed)).digest()
            if archive.regular:
                self.known[key] = value
            archive.regular &= was_regular
        return value

    def _jar_inside(self, archive: Archive, entry: Entry, packed: bytes, depth: int) -> tuple[bool, bytes]:
        if depth == MAX_DEPTH:
            raise unreadable(archive.label, entry.name, f"it is more than {MAX_DEPTH} jars deep", _TOO_LARGE)
        content = _content(archive, entry, packed)
        return self.digest(Source(content), f"{archive.label}!/{shown(entry.name)}", depth + 1)


def _content(archive: Archive, entry: Entry, packed: bytes) -> bytes:
    """Return an entry's content, checked; clears `regular` where bytes follow the end of what was deflated."""
    from isal import isal_zlib  # noqa: PLC0415  # Listing tasks must not pay for it.

    if entry.method == DEFLATED:
        stream = isal_zlib.decompressobj(-15)
        try:
            # One byte more than stated, so that a stream that goes on shows, and never all that it may hold.
            content: bytes = stream.decompress(packed, entry.size + 1)
        except isal_zlib.IsalError as fault:  # type: ignore[misc]  # Its stub calls the class an instance.
            raise unreadable(archive.label, entry.name, f"it cannot be inflated ({fault})") from fault
        if not stream.eof and len(content) <= entry.size:
            raise unreadable(archive.label, entry.name, "its compressed bytes end too early")
        if stream.unused_data:
            archive.regular = False
    else:
        content = packed
    if len(content) != entry.size:
        raise unreadable(archive.label, entry.name, f"its content is not of the {entry.size:,} bytes that it states")
    if isal_zlib.crc32(content) != entry.crc:
        raise unreadable(archive.label, entry.name, "its content does not fit its checksum (CRC-32)")
    return content


def _attributes(entry: Entry) -> tuple[int, bool]:
    """Return the kind of an entry, 0 for files and directories, and whether a file is executable.

    A directory is told by the slash that its name ends with, as all readers do.
    """
    kind = entry.mode >> 12
    is_directory = entry.name.endswith(b"/")
    if kind in (0, _REGULAR) or (kind == _DIRECTORY and is_directory):
        return 0, bool(entry.mode & _OWNER_EXECUTES) and not is_directory
    return kind, bool(entry.mode & _OWNER_EXECUTES) and kind != _SYMLINK
