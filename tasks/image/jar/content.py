"""The content digest of a jar: it changes with what a JVM can see in the jar, and with nothing else.

A clean Maven build gives a jar new bytes each time; its content digest stays. docs/jar.md lists what counts and why.
Where an archive is not regular (`tasks.image.jar.zip`), the rules below could miss what one reader or another sees, so
the bytes of the archive count as well: a rebuild may then be needless, but no change is missed.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from operator import itemgetter
from pathlib import Path

from tasks.image.fingerprint import JAR_SCHEME
from tasks.image.jar.file_state import FileState, Source, opened
from tasks.image.jar.zip import DEFLATED, Archive, Entry, open_archive, shown, unreadable

MAX_ENTRY_BYTES = 1 << 30
"""The most bytes that one entry may inflate to."""

MAX_TOTAL_BYTES = 8 << 30
"""The most bytes that all entries of a jar may inflate to, including those of the jars inside it."""

MAX_DEPTH = 4
"""The most levels of jars inside jars; those of Spring Boot have one."""

_TOO_LARGE = "remove it from the jar; the limits are in docs/jar.md#what-is-refused"

_DOMAIN = b"sleeper-images: a jar's meaning\0"
"""Part of every digest, like `JAR_SCHEME`: a better wording would change them all."""

_UNIX = 3
_SYMLINK, _REGULAR, _DIRECTORY = 0xA, 0x8, 0x4
_OWNER_EXECUTES = 0o100
_EXECUTABLE, _UTF8_NAME, _JAR_INSIDE, _DEFLATED_INSIDE, _POM_PROPERTIES, _OTHER_HOST = (1 << bit for bit in range(6))

_META = b"META-INF/"
_MANIFEST = b"META-INF/MANIFEST.MF"
_INDEX = b"META-INF/INDEX.LIST"
_SIGNATURES = (b".SF", b".RSA", b".DSA", b".EC")

_DATE_COMMENT = re.compile(
    rb"\A((?:[#!][^\r\n]*\r?\n)?#)"
    rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    rb"[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} [A-Za-z0-9:+-]{1,9} [0-9]{4}(?=\r?\n|\Z)"
)
"""What `Properties.store` writes: a line for the caller's comment, if any, then a line with `Date.toString()`."""


@dataclass(frozen=True)
class Content:
    """What counts of an archive.

    Attributes:
        facts: names and values of what counts of the archive as a whole.
        records: the name of each entry and what counts of it, sorted by name.
    """

    facts: tuple[tuple[str, bytes], ...]
    records: list[tuple[bytes, bytes]]

    def digest(self) -> bytes:
        """Return the sha256 of all facts and records."""
        parts = [_DOMAIN, JAR_SCHEME.to_bytes(4, "little")]
        for _, value in self.facts:
            parts += len(value).to_bytes(4, "little"), value
        parts.append(len(self.records).to_bytes(4, "little"))
        for name, record in self.records:
            parts += len(name).to_bytes(4, "little"), name, len(record).to_bytes(4, "little"), record
        return hashlib.sha256(b"".join(parts)).digest()


@dataclass(frozen=True)
class Jar:
    """A jar that was read.

    Attributes:
        digest: `jar-<scheme>:<hexadecimal>`; for a file that is not a zip archive, `sha256:<hexadecimal>` of its bytes.
        content: what counts of the archive; None if the file is not a zip archive.
    """

    digest: str
    content: Content | None

    def entries(self) -> dict[str, str]:
        """Return what the digest is made of, to compare two jars entry by entry.

        Returns:
            Each entry's name (a second entry of that name is `name (2)`) and a digest of what counts of it; then, in
            parentheses, what counts of the archive as a whole. Two jars have equal digests exactly when these are
            equal. A file that is not a zip archive has `(bytes)` only.
        """
        if self.content is None:
            return {"(bytes)": self.digest.partition(":")[2]}
        listing: dict[str, str] = {}
        seen: Counter[bytes] = Counter()
        for name, record in self.content.records:
            seen[name] += 1
            text = shown(name) if seen[name] == 1 else f"{shown(name)} ({seen[name]})"
            # Different names can be shown the same way, and a name can end in "(2)" itself; each gets a line.
            while text in listing:
                text += "'"
            listing[text] = hashlib.sha256(record).hexdigest()
        facts = {f"({fact})": hashlib.sha256(value).hexdigest() for fact, value in self.content.facts if value}
        return listing | facts


def read(path: Path, known: dict[bytes, bytes] | None = None, expected: FileState | None = None) -> Jar:
    """Read a jar. Entries that are inflated now are added to `known` (`tasks.image.jar.cache_file.Inflated`).

    Raises:
        ChangedWhileBuildingError: the file is not in the state `expected`, or the path leads to another file.
        MissingInputError: the file does not exist.
        UnreadableInputError: the jar is truncated, damaged, encrypted or beyond the limits above, or cannot be read.
    """
    with opened(path, expected) as source:
        archive = open_archive(source, str(path))
        if archive is None:
            return Jar(f"sha256:{source.sha256().hex()}", None)
        content = _Reader({} if known is None else known).content(archive)
    return Jar(f"jar-{JAR_SCHEME}:{content.digest().hex()}", content)


@dataclass
class _Reader:
    """Reads one jar and the jars inside it.

    Attributes:
        known: as in `tasks.image.jar.cache_file.Inflated`.
        left: how many more bytes may be inflated.
    """

    known: dict[bytes, bytes]
    left: int = field(default_factory=lambda: MAX_TOTAL_BYTES)

    def content(self, archive: Archive, depth: int = 0) -> Content:
        self._check_sizes(archive)
        in_file = archive.entries
        limits = [entry.offset for entry in in_file[1:]] + [archive.directory]
        records = [
            (entry.name, self._record(archive, entry, limit, depth))
            for entry, limit in zip(in_file, limits, strict=bool(in_file))
        ]
        # The sort is stable: entries of one name keep their order in the file.
        records.sort(key=itemgetter(0))
        source = archive.source
        facts = (
            *_facts_of_order(in_file, archive.listed),
            ("bytes before the first entry", source.sha256(0, archive.first) if archive.first else b""),
            ("comment", archive.comment),
            ("layout", b"" if archive.regular else source.sha256()),
        )
        return Content(facts, records)

    def _check_sizes(self, archive: Archive) -> None:
        for entry in archive.entries:
            self.left -= entry.size
            if max(entry.size, entry.packed) > MAX_ENTRY_BYTES:
                reason = f"it would inflate to {entry.size:,} bytes; the limit is {MAX_ENTRY_BYTES:,}"
                raise unreadable(archive.label, entry.name, reason, _TOO_LARGE)
            if self.left < 0:
                reason = f"the jar would inflate to more than {MAX_TOTAL_BYTES:,} bytes, this entry included"
                raise unreadable(archive.label, entry.name, reason, _TOO_LARGE)

    def _record(self, archive: Archive, entry: Entry, limit: int, depth: int) -> bytes:
        """Return what counts of an entry besides its name."""
        name, deflated = entry.name, entry.method == DEFLATED
        packed = archive.packed(entry, limit)
        bits = _UTF8_NAME if entry.utf8 and not name.isascii() else 0
        if name.endswith(b".jar"):
            bits |= _DEFLATED_INSIDE if deflated else 0
            is_archive, value = self._jar_inside(archive, entry, packed, depth)
            bits |= _JAR_INSIDE if is_archive else 0
        elif name.endswith(b"/pom.properties") and name.startswith(b"META-INF/maven/"):
            bits |= _POM_PROPERTIES
            content = _DATE_COMMENT.sub(rb"\1", _inflated(archive, entry, packed))
            value = hashlib.sha256(content).digest()
        elif deflated:
            value = self._inflated_digest(archive, entry, packed)
        else:
            value = hashlib.sha256(_inflated(archive, entry, packed)).digest()
        kind, executable = _attributes(entry)
        bits |= _EXECUTABLE if executable else 0
        bits |= _OTHER_HOST if (kind or executable) and entry.host != _UNIX else 0
        return bytes((kind, bits)) + value + entry.note

    def _inflated_digest(self, archive: Archive, entry: Entry, packed: bytes) -> bytes:
        key = hashlib.sha256(packed).digest() + entry.crc.to_bytes(4, "little") + entry.size.to_bytes(8, "little")
        value = self.known.get(key)
        if value is None:
            was_regular, archive.regular = archive.regular, True
            value = hashlib.sha256(_inflated(archive, entry, packed)).digest()
            if archive.regular:
                self.known[key] = value
            archive.regular &= was_regular
        return value

    def _jar_inside(self, archive: Archive, entry: Entry, packed: bytes, depth: int) -> tuple[bool, bytes]:
        """Return whether an entry is a zip archive, and its content digest or the sha256 of its bytes."""
        if depth == MAX_DEPTH:
            raise unreadable(archive.label, entry.name, f"it is more than {MAX_DEPTH} jars deep", _TOO_LARGE)
        source = Source(_inflated(archive, entry, packed))
        inside = open_archive(source, f"{archive.label}!/{shown(entry.name)}")
        return (False, source.sha256()) if inside is None else (True, self.content(inside, depth + 1).digest())


def _inflated(archive: Archive, entry: Entry, packed: bytes) -> bytes:
    """Return an entry's content, checked; clears `regular` if bytes follow the end of the deflated stream."""
    from isal import isal_zlib  # noqa: PLC0415  # Listing tasks must not pay for it.

    if entry.method == DEFLATED:
        stream = isal_zlib.decompressobj(-15)
        try:
            # One byte more than stated shows that a stream goes on, without inflating all that it may hold.
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
        reason = f"the size of its content is not the {entry.size:,} bytes that its header states"
        raise unreadable(archive.label, entry.name, reason)
    if isal_zlib.crc32(content) != entry.crc:
        raise unreadable(archive.label, entry.name, "its content does not match its checksum (CRC-32)")
    return content


def _attributes(entry: Entry) -> tuple[int, bool]:
    """Return the kind of an entry, 0 for files and directories, and whether a file is executable.

    A slash at the end of its name makes an entry a directory, as for all readers.
    """
    kind = entry.mode >> 12
    is_directory = entry.name.endswith(b"/")
    if kind in (0, _REGULAR) or (kind == _DIRECTORY and is_directory):
        return 0, bool(entry.mode & _OWNER_EXECUTES) and not is_directory
    return kind, bool(entry.mode & _OWNER_EXECUTES) and kind != _SYMLINK


def _facts_of_order(in_file: Sequence[Entry], in_directory: Sequence[Entry]) -> tuple[tuple[str, bytes], ...]:
    """Return names and values of what the order of the entries changes for a reader; nothing else of it counts.

    `JarInputStream` reads a jar from its beginning (java.util.jar of JDK 17). It takes the manifest only at the start,
    and signatures only from the files in META-INF that directly follow the manifest. A loader of jars inside the jar
    puts them on the class path in their order, and the first one with a class wins. `JarFile` goes by the directory,
    and of two manifests whose names differ in case takes the last one there.

    The entries come in the order of the file, and in that of the central directory. A value is empty if the order
    makes no difference.
    """
    ordered = _ordered(in_file)
    if in_directory is not in_file:
        ordered += _ordered(in_directory)
    return (
        ("place of the manifest", _manifest_place(in_file)),
        ("signatures behind the manifest", _signatures(in_file)),
        ("order of jars and manifests", ordered),
    )


def _manifest_place(in_file: Sequence[Entry]) -> bytes:
    """Return where the manifest is: `JarInputStream` finds it first, or after `META-INF/`, or after an index there.

    Other readers look at the first two entries, whatever the first one is.
    """
    head = [entry.name.upper() for entry in in_file[:3]]
    second = head[1:2]
    if head[:1] == [_META]:
        head = head[1:]
    if head[:1] == [_MANIFEST]:
        return b"first"
    if head[:2] == [_INDEX, _MANIFEST]:
        return b"behind the index"
    return b"second" if second == [_MANIFEST] else b""


def _signatures(in_file: Sequence[Entry]) -> bytes:
    """Return the signature files that `JarInputStream` takes; empty for a jar without signature files."""
    if not any(_is_signature(entry.name) for entry in in_file):
        return b""
    head = takewhile(lambda entry: _is_bookkeeping(entry.name) or _is_signature(entry.name), in_file)
    return b"of " + _sequence([entry.name for entry in head if _is_signature(entry.name)])


def _is_signature(name: bytes) -> bool:
    return name[-4:].upper().endswith(_SIGNATURES) and _in_meta(name)


def _is_bookkeeping(name: bytes) -> bool:
    return _in_meta(name) and (name.endswith(b"/") or name.upper() in (_MANIFEST, _INDEX))


def _in_meta(name: bytes) -> bool:
    return name[: len(_META) + 1].upper().startswith((_META, b"/" + _META))


def _ordered(entries: Sequence[Entry]) -> bytes:
    """Return the order of the jars inside, and that of manifests; empty if there are fewer than two of each."""
    jars = [entry.name for entry in entries if entry.name[-4:].lower() == b".jar"]
    manifests = [
        entry.name for entry in entries if len(entry.name) == len(_MANIFEST) and entry.name.upper() == _MANIFEST
    ]
    return b"".join(_sequence(names) for names in (jars, manifests) if len(names) > 1)


def _sequence(names: Sequence[bytes]) -> bytes:
    return b"".join(len(name).to_bytes(2, "little") + name for name in names)
