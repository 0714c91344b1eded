"""What the order of a jar's entries changes for a reader: few things, and only these count.

`JarInputStream` reads a jar from its beginning (java.util.jar of JDK 17). It takes the manifest only at the start,
and signatures only from the files in META-INF that follow it directly. A loader of jars inside the jar puts them on
the class path as it meets them, and the first one with a class wins. `JarFile` goes by the directory, and of two
manifests whose names differ in case takes the one that comes last there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from tasks.image.jar.central_directory import Entry

_META = b"META-INF/"
_MANIFEST = b"META-INF/MANIFEST.MF"
_INDEX = b"META-INF/INDEX.LIST"
_SIGNATURES = (b".SF", b".RSA", b".DSA", b".EC")


def facts(in_file: Sequence[Entry], in_directory: Sequence[Entry]) -> tuple[tuple[str, bytes], ...]:
    """Return names and values of what the order changes; a value is empty where the order changes nothing.

    Args:
        in_file: the entries in the order of the file.
        in_directory: the same entries in the order of the central directory.
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
    """Return where the manifest is: `JarInputStream` finds it first, or behind `META-INF/`, or behind an index there.

    Other readers look at the first two entries, whatever the first is.
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
    """Return the signature files that `JarInputStream` takes; empty for a jar that has none at all."""
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
    """Return the order of the jars inside, and that of manifests; empty where there are no two of either."""
    jars = [entry.name for entry in entries if entry.name[-4:].lower() == b".jar"]
    manifests = [
        entry.name for entry in entries if len(entry.name) == len(_MANIFEST) and entry.name.upper() == _MANIFEST
    ]
    return b"".join(_sequence(names) for names in (jars, manifests) if len(names) > 1)


def _sequence(names: Sequence[bytes]) -> bytes:
    return b"".join(len(name).to_bytes(2, "little") + name for name in names)
