"""What differs between two images' inputs, entry by entry inside jars; as data, and in words. Pure.

    Inputs, Inputs ─▶ differences ─▶ Change ─▶ describe: one change in words
                                            └▶ summary: the first few of them, for one line

Names may come from a record that somebody else wrote, so the words hold nothing that moves a terminal's cursor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.image.fingerprint import Inputs, Item
from tasks.system.text import printable

DIGITS = 12
"""How many hexadecimal digits of an entry's digest are recorded and shown; enough to see a change."""

Listing = Mapping[str, str] | int
"""A jar's entries with the first DIGITS digits of their digests; their number if they are too many."""

_CONTEXT, _DOCKERFILE, _BASE, _BUILD_ARG = "context", "dockerfile", "base", "build argument"
_ARCHIVE = re.compile(r"([a-z]+-[0-9]+):")
"""What a content digest begins with: the format and the scheme."""

_VERSION = re.compile(r"-[0-9][^/]*(?=\.jar$)")

EXECUTABLE = " executable"
"""Follows the digest of an executable file."""


@dataclass(frozen=True)
class EntryChange:
    """An entry of a jar that differs; `old` or `new` is None if the jar does not have it."""

    name: str
    old: str | None
    new: str | None

    @property
    def change(self) -> str:
        """`added`, `removed` or `changed`."""
        return _change(self.old, self.new)


@dataclass(frozen=True)
class Change:
    """One thing that differs.

    Attributes:
        what: `context`, `dockerfile`, `base`, `build argument`, or a setting's name: `platforms`, `attestations`,
            `revision`, `media types`, `compression`, `scheme`.
        name: the path in the context, the base image or the build argument; else empty.
        old: what it was; None if it did not exist.
        new: what it is; None if it does not exist.
        former: a jar's former path, if only the version in it changed.
        entries: of a jar, the entries that differ; None if it is not a jar, or if they are not known.
        omitted: why they are not known; else empty.
    """

    what: str
    name: str
    old: str | None
    new: str | None
    former: str = ""
    entries: tuple[EntryChange, ...] | None = None
    omitted: str = ""

    @property
    def change(self) -> str:
        """`added`, `removed` or `changed`."""
        return _change(self.old, self.new)

    def data(self) -> dict[str, Any]:
        """Return the change for JSON."""
        found: dict[str, Any] = {
            "what": self.what,
            "name": self.name,
            "change": self.change,
            "old": self.old,
            "new": self.new,
        }
        if self.former:
            found["former_name"] = self.former
        if self.entries is not None:
            found["entries"] = [
                {"name": entry.name, "change": entry.change, "old": entry.old, "new": entry.new}
                for entry in self.entries
            ]
        if self.omitted:
            found["entries_omitted"] = self.omitted
        return found


def is_archive(item: Item) -> bool:
    """Whether an item of a context counts by the content digest of an archive, such as a jar."""
    return item.kind == "file" and _ARCHIVE.match(item.content) is not None


def differences(
    old: Inputs, new: Inputs, old_jars: Mapping[str, Listing], new_jars: Mapping[str, Listing]
) -> tuple[Change, ...]:
    """Return what differs; empty exactly if the two are equal.

    `old_jars` and `new_jars` are the entries of the jars of each, by path in the context; a jar may be missing.
    """
    found = [*_settings(old, new)]
    if old.dockerfile != new.dockerfile:
        found.append(Change(_DOCKERFILE, "", old.dockerfile, new.dockerfile))
    found += _context(old, new, old_jars, new_jars)
    found += _pairs(_BASE, dict(old.bases), dict(new.bases))
    found += _pairs(_BUILD_ARG, dict(old.build_args), dict(new.build_args))
    return tuple(found)


def differing_jars(old: Inputs, new: Inputs) -> tuple[set[str], set[str]]:
    """Return the paths of the jars whose entries `differences` can use: of `old`, and of `new`."""
    pairs = [
        (was, now)
        for was, now in _matched(old, new)
        if was and now and was != now and is_archive(was) == is_archive(now)
    ]
    jars = [(was.path, now.path) for was, now in pairs if is_archive(now) and was.content != now.content]
    return {was for was, _ in jars}, {now for _, now in jars}


def without_version(path: str) -> str:
    """Return a jar's path without the version in its file's name: `lib/query-0.36.0.jar` is `lib/query.jar`."""
    return _VERSION.sub("", path)


def _change(old: str | None, new: str | None) -> str:
    if old is None:
        return "added"
    return "removed" if new is None else "changed"


def _settings(old: Inputs, new: Inputs) -> Iterable[Change]:
    pairs = (
        ("scheme", str(old.scheme), str(new.scheme)),
        ("platforms", ",".join(old.platforms), ",".join(new.platforms)),
        ("attestations", _switch(old.attestations), _switch(new.attestations)),
        ("revision", old.revision, new.revision),
        ("media types", old.media_types, new.media_types),
        ("compression", old.compression, new.compression),
    )
    return (Change(what, "", was, now) for what, was, now in pairs if was != now)


def _switch(value: bool) -> str:  # noqa: FBT001  # A value to be named.
    return "on" if value else "off"


def _pairs(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[Change]:
    names = sorted(old.keys() | new.keys())
    return (Change(what, name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _context(
    old: Inputs, new: Inputs, old_jars: Mapping[str, Listing], new_jars: Mapping[str, Listing]
) -> Iterable[Change]:
    for was, now in _matched(old, new):
        path = (now or was or _NOTHING).path
        if was == now or _is_dockerfile(was, now, old, new):
            continue
        change = Change(
            _CONTEXT, path, None if was is None else described(was), None if now is None else described(now)
        )
        if was is not None and now is not None:
            change = replace(change, former=was.path if was.path != now.path else "")
            if is_archive(was) and is_archive(now) and was.content != now.content:
                entries, omitted = _entries(was, now, old_jars.get(was.path), new_jars.get(now.path))
                change = replace(change, entries=entries, omitted=omitted)
        yield change


_NOTHING = Item("", "", executable=False, content="")


def _matched(old: Inputs, new: Inputs) -> list[tuple[Item | None, Item | None]]:
    """Return the items of both contexts side by side, sorted by path.

    A removed jar and an added jar are the same jar if their names differ in the version only, and no other jar has that
    name.
    """
    before, after = {item.path: item for item in old.context}, {item.path: item for item in new.context}
    gone = {path: item for path, item in before.items() if path not in after and is_archive(item)}
    come = {path: item for path, item in after.items() if path not in before and is_archive(item)}
    stems = Counter(map(without_version, gone)), Counter(map(without_version, come))
    former = {without_version(path): path for path in gone if stems[0][without_version(path)] == 1}
    renamed = {path: former[stem] for path in come if stems[1][stem := without_version(path)] == 1 and stem in former}
    taken = set(renamed.values())
    paths = sorted((before.keys() - taken) | after.keys())
    return [(before.get(renamed.get(path, path)), after.get(path)) for path in paths]


def _is_dockerfile(was: Item | None, now: Item | None, old: Inputs, new: Inputs) -> bool:
    """Whether an item is the Dockerfile and only its content changed, which is a change of its own."""
    if was is None or now is None or was.path not in {"Dockerfile", "dockerfile"}:
        return False
    return replace(was, content=now.content) == now and (was.content, now.content) == (old.dockerfile, new.dockerfile)


def described(item: Item) -> str:
    """Return what counts of an item besides its path: its digest and whether it is executable, or a link's text."""
    match item.kind:
        case "directory":
            return "directory"
        case "symlink":
            return f"symlink to {item.content}"
    return item.content + EXECUTABLE if item.executable else item.content


def _entries(
    was: Item, now: Item, old: Listing | None, new: Listing | None
) -> tuple[tuple[EntryChange, ...] | None, str]:
    schemes = [match[1] for item in (was, now) if (match := _ARCHIVE.match(item.content))]
    if schemes[0] != schemes[1]:
        return None, "its digest and the recorded one are of different schemes"
    if isinstance(old, int) or isinstance(new, int):
        return None, f"too many entries to list ({max(one for one in (old, new) if isinstance(one, int)):,})"
    if old is None or new is None:
        return None, "its entries are not recorded" if old is None else "its entries could not be read"
    names = sorted(old.keys() | new.keys())
    return tuple(
        EntryChange(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    ), ""


Named = Callable[[str], str]
"""Returns the name to show for a path of a context, such as the file's path below SCRIPTS_DIR."""

_NAMED = 3
"""The most names on a line, before it gives the number of the others."""

_LONG_NAME = 48


def summary(changes: Iterable[Change], named: Named, most: int = _NAMED) -> str:
    """Return changes in words, for one line: the first `most`, and the number of the others."""
    described = [describe(change, named) for change in changes]
    more = len(described) - most
    return "; ".join(described[:most]) + (f"; and {more} more" if more > 0 else "")


def describe(change: Change, named: Named, *, entries: bool = True) -> str:
    """Return one change in words; of a jar's entries, their number and, if `entries`, their first names."""
    match change.what:
        case "dockerfile":
            return f"{printable(named('Dockerfile'))} changed"
        case "context":
            return _describe_item(change, printable(named(change.name)), entries=entries)
        case "base":
            return _describe_base(change)
        case "build argument":
            return f"build argument {printable(change.name)} {change.change}"
    return f"{change.what} changed from {printable(change.old or 'none')} to {printable(change.new or 'none')}"


def _describe_item(change: Change, name: str, *, entries: bool) -> str:
    words = _describe_content(change, entries=entries)
    if change.former:
        return f"{name} was {printable(change.former.rpartition('/')[2])}" + (f"; {words}" if words else "")
    if change.entries:
        return f"{name}: {words}"
    return f"{name} {words}"


def _describe_content(change: Change, *, entries: bool) -> str:
    if change.old is None or change.new is None:
        return change.change
    if change.entries:
        return _describe_entries(change.entries, names=entries)
    if change.omitted:
        return f"changed ({change.omitted})"
    (was, was_executable), (now, executable) = _kind(change.old), _kind(change.new)
    if was != now:
        return f"became a {now}"
    if was_executable != executable and change.old.split()[0] == change.new.split()[0]:
        return "became executable" if executable else "is no longer executable"
    return "" if change.old == change.new else "changed"


def _kind(content: str) -> tuple[str, bool]:
    """Return the kind of thing that `described` returns, and whether it is executable."""
    for kind in ("directory", "symlink"):
        if content == kind or content.startswith(f"{kind} to "):
            return kind, False
    return "file", content.endswith(EXECUTABLE)


def _describe_entries(entries: tuple[EntryChange, ...], *, names: bool) -> str:
    counts = Counter(entry.change for entry in entries)
    parts = [f"{counts[change]} {change}" for change in ("changed", "added", "removed") if counts[change]]
    first, *others = parts
    number, _, change = first.partition(" ")
    noun = "entry" if number == "1" else "entries"
    head = ", ".join([f"{number} {noun} {change}", *others])
    if not names:
        return head
    shown = [shortened(printable(entry.name)) for entry in entries[:_NAMED]]
    more = len(entries) - len(shown)
    return f"{head}: {', '.join(shown)}" + (f" and {more} more" if more else "")


def shortened(name: str) -> str:
    """Return an entry's name; a long one without its middle: `sleeper/query/…/Foo.class`."""
    parts = name.split("/")
    if len(name) <= _LONG_NAME or len(parts) <= _NAMED + 1:
        return name
    return "/".join([*parts[:2], "…", parts[-1]])


def _describe_base(change: Change) -> str:
    name = printable(change.name)
    if change.old is None:
        return f"base {name} is new"
    if change.new is None:
        return f"base {name} is no longer used"
    if not change.old:
        return f"base {name} is now locked"
    return f"base {name} moved" if change.new else f"base {name} is no longer locked"
