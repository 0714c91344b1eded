"""What differs between two images' inputs, entry by entry inside jars. Pure; `tasks.image.told` says it in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tasks.image.fingerprint import Inputs, Item

DIGITS = 12
"""How many hexadecimal digits of an entry's digest are kept: enough to tell a change, and what people are shown."""

Listing = Mapping[str, str] | int
"""A jar's entries with the first DIGITS digits of their digests, or how many there are where they are too many."""

_CONTEXT, _DOCKERFILE, _BASE, _BUILD_ARG = "context", "dockerfile", "base", "build argument"
_JAR = re.compile(r"jar-([0-9]+):")
_VERSION = re.compile(r"-[0-9][^/]*(?=\.jar$)")

EXECUTABLE = " executable"
"""What follows the digest of a file that is executable."""


@dataclass(frozen=True)
class EntryChange:
    """An entry of a jar that differs; `old` or `new` is None where it is not there."""

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
        name: which of its kind: a path of the context, a base image, a build argument; else empty.
        old: what it was; None where there was none.
        new: what it is; None where there is none.
        former: a jar's path before, where only the version in it is another one.
        entries: of a jar, what differs in it; None for what is no jar, or where that cannot be told.
        untold: why it cannot be told; else empty.
    """

    what: str
    name: str
    old: str | None
    new: str | None
    former: str = ""
    entries: tuple[EntryChange, ...] | None = None
    untold: str = ""

    @property
    def change(self) -> str:
        """`added`, `removed` or `changed`."""
        return _change(self.old, self.new)

    def data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
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
        if self.untold:
            found["entries_untold"] = self.untold
        return found


def is_jar(item: Item) -> bool:
    """Whether an item of a context counts by its meaning."""
    return _JAR.match(item.content) is not None


def differences(
    old: Inputs, new: Inputs, old_jars: Mapping[str, Listing], new_jars: Mapping[str, Listing]
) -> tuple[Change, ...]:
    """Return what differs; nothing exactly where the two are equal.

    Args:
        old: the inputs that something was made of.
        new: the inputs that it would be made of.
        old_jars: entries of jars of `old`, by their paths in its context; a jar may be missing.
        new_jars: the same of `new`.
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
    pairs = [(was, now) for was, now in _matched(old, new) if was and now and was != now and is_jar(was) == is_jar(now)]
    jars = [(was.path, now.path) for was, now in pairs if is_jar(now) and was.content != now.content]
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
        change = Change(_CONTEXT, path, None if was is None else _content(was), None if now is None else _content(now))
        if was is not None and now is not None:
            change = replace(change, former=was.path if was.path != now.path else "")
            if is_jar(was) and is_jar(now) and was.content != now.content:
                entries, untold = _entries(was, now, old_jars.get(was.path), new_jars.get(now.path))
                change = replace(change, entries=entries, untold=untold)
        yield change


_NOTHING = Item("", "", executable=False, content="")


def _matched(old: Inputs, new: Inputs) -> list[tuple[Item | None, Item | None]]:
    """Return the items of both contexts side by side, sorted by path.

    A jar that has gone and one that has come are one jar, if their names are the same but for the version, and no other
    two are.
    """
    before, after = {item.path: item for item in old.context}, {item.path: item for item in new.context}
    gone = {path: item for path, item in before.items() if path not in after and is_jar(item)}
    come = {path: item for path, item in after.items() if path not in before and is_jar(item)}
    stems = Counter(map(without_version, gone)), Counter(map(without_version, come))
    former = {without_version(path): path for path in gone if stems[0][without_version(path)] == 1}
    renamed = {path: former[stem] for path in come if stems[1][stem := without_version(path)] == 1 and stem in former}
    taken = set(renamed.values())
    paths = sorted((before.keys() - taken) | after.keys())
    return [(before.get(renamed.get(path, path)), after.get(path)) for path in paths]


def _is_dockerfile(was: Item | None, now: Item | None, old: Inputs, new: Inputs) -> bool:
    """Whether an item is the Dockerfile with nothing but its content changed, which is told of by itself."""
    if was is None or now is None or was.path not in {"Dockerfile", "dockerfile"}:
        return False
    return replace(was, content=now.content) == now and (was.content, now.content) == (old.dockerfile, new.dockerfile)


def _content(item: Item) -> str:
    match item.kind:
        case "directory":
            return "directory"
        case "symlink":
            return f"symlink to {item.content}"
    return item.content + EXECUTABLE if item.executable else item.content


def _entries(
    was: Item, now: Item, old: Listing | None, new: Listing | None
) -> tuple[tuple[EntryChange, ...] | None, str]:
    schemes = [match[1] for item in (was, now) if (match := _JAR.match(item.content))]
    if schemes[0] != schemes[1]:
        return None, "its digest is of another scheme than the recorded one"
    if isinstance(old, int) or isinstance(new, int):
        return None, f"too many entries to list ({max(one for one in (old, new) if isinstance(one, int)):,})"
    if old is None or new is None:
        return None, "its entries are not recorded" if old is None else "its entries could not be read"
    names = sorted(old.keys() | new.keys())
    return tuple(
        EntryChange(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    ), ""
