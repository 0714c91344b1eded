"""What differs between inputs, in words.

    Change ─▶ tell: one in words
           └▶ summary: the first few of them, for one line

Names may come from a record that somebody else wrote, so words hold nothing that moves a terminal's cursor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from tasks.image.difference import EXECUTABLE, Change, EntryChange
from tasks.system.text import printable

Named = Callable[[str], str]
"""How a path of a context is called: where its file is below SCRIPTS_DIR, for one."""

_NAMED = 3
"""How many names a line holds before it says how many more there are."""

_LONG_NAME = 48


def summary(changes: Iterable[Change], named: Named, most: int = _NAMED) -> str:
    """Return changes in words, for one line: the first `most`, and how many more there are."""
    told = [tell(change, named) for change in changes]
    more = len(told) - most
    return "; ".join(told[:most]) + (f"; and {more} more" if more > 0 else "")


def tell(change: Change, named: Named, *, entries: bool = True) -> str:
    """Return one change in words; of a jar's entries their number alone, or the first names, too."""
    match change.what:
        case "dockerfile":
            return f"{printable(named('Dockerfile'))} changed"
        case "context":
            return _tell_item(change, printable(named(change.name)), entries=entries)
        case "base":
            return _tell_base(change)
        case "build argument":
            return f"build argument {printable(change.name)} {change.change}"
    return f"{change.what} changed from {printable(change.old or 'none')} to {printable(change.new or 'none')}"


def _tell_item(change: Change, name: str, *, entries: bool) -> str:
    words = _tell_content(change, entries=entries)
    if change.former:
        return f"{name} was {printable(change.former.rpartition('/')[2])}" + (f"; {words}" if words else "")
    if change.entries:
        return f"{name}: {words}"
    return f"{name} {words}"


def _tell_content(change: Change, *, entries: bool) -> str:
    if change.old is None or change.new is None:
        return change.change
    if change.entries:
        return _tell_entries(change.entries, names=entries)
    if change.untold:
        return f"changed ({change.untold})"
    (was, was_executable), (now, executable) = _kind(change.old), _kind(change.new)
    if was != now:
        return f"became a {now}"
    if was_executable != executable and change.old.split()[0] == change.new.split()[0]:
        return "became executable" if executable else "is no longer executable"
    return "" if change.old == change.new else "changed"


def _kind(content: str) -> tuple[str, bool]:
    """Return the kind of thing that `_content` describes, and whether it is executable."""
    for kind in ("directory", "symlink"):
        if content == kind or content.startswith(f"{kind} to "):
            return kind, False
    return "file", content.endswith(EXECUTABLE)


def _tell_entries(entries: tuple[EntryChange, ...], *, names: bool) -> str:
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
    """Return an entry's name, without its middle where it is long: `sleeper/query/…/Foo.class`."""
    parts = name.split("/")
    if len(name) <= _LONG_NAME or len(parts) <= _NAMED + 1:
        return name
    return "/".join([*parts[:2], "…", parts[-1]])


def _tell_base(change: Change) -> str:
    name = printable(change.name)
    if change.old is None:
        return f"base {name} is new"
    if change.new is None:
        return f"base {name} is no longer used"
    if not change.old:
        return f"base {name} is now locked"
    return f"base {name} moved" if change.new else f"base {name} is no longer locked"
