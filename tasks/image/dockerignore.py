r"""The patterns of an ignore file, matched as BuildKit matches them.

The rules are those of github.com/moby/patternmatcher (`ignorefile.ReadAll`, then `PatternMatcher`) and of the walk of
github.com/tonistiigi/fsutil, which BuildKit uses. They are less regular than the Dockerfile reference says: every line
is cleaned twice, `/!a` is an exception, `^` is regular expression syntax if a pattern also has a wildcard. An
integration test compares the result with a real engine.

BuildKit turns a pattern into a regular expression without quoting all of it, so some patterns have a meaning by
accident: `\d` is a digit, `[[:alpha:]]` a letter, `*.a|*.b` an alternative, and a wildcard within brackets is
not a wildcard. Such a pattern is an error here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UnreadableInputError
from tasks.image import text

WITHIN, DIRECTORIES, REST = "[^/]*", "(?:.*/)?", ".*"
"""The parts of an expression that match any number of characters: `*`, `**/`, and `**` at the end."""

OPEN = frozenset({WITHIN, DIRECTORIES, REST})

MOST_OPEN = 2
"""The most of them in a pattern that `re` matches: its time is the path's length to the power of their number."""

_START = "^"

_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go's `unicode.IsSpace`; `str.strip` alone would also take the separators from 1c to 1f."""

_LINE_BYTES = 65535
"""The longest line that Go's `bufio.Scanner` hands over."""

_REPEAT = re.compile(r"\{[0-9]+(,[0-9]*)?\}")

Matched = tuple[bool, ...]
"""For each pattern, whether it matches a directory or one above it; then it matches every path below, too."""


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file.

    Attributes:
        exception: whether it began with `!`: a path that matches is kept.
        matches: tests a path relative to the build directory.
    """

    exception: bool
    matches: Callable[[str], bool]


@dataclass(frozen=True)
class Ignore:
    """An ignore file: what it leaves out of a context.

    Attributes:
        patterns: in the order of the file; the last one that matches a path decides.
    """

    patterns: tuple[Pattern, ...] = ()

    @property
    def exceptions(self) -> bool:
        """Whether a path below an ignored directory can be kept."""
        return any(pattern.exception for pattern in self.patterns)

    def ignores(self, path: str, parent: Matched) -> tuple[bool, Matched]:
        """Return whether a path is left out.

        Args:
            path: relative to the build directory, with slashes.
            parent: what this method returned for the path's directory; empty for the build directory itself.

        Returns:
            Whether the path is left out, and what matched: `parent` for the paths below it.
        """
        ignored = False
        matched = []
        for index, pattern in enumerate(self.patterns):
            match = bool(parent) and parent[index]
            # As in BuildKit, only a pattern that would change the answer is tested; the others count as no match.
            if not match and pattern.exception == ignored:
                match = pattern.matches(path)
            matched.append(match)
            if match:
                ignored = not pattern.exception
        return ignored, tuple(matched)

    def empties(self, path: str) -> bool:
        """Whether BuildKit sends a file without its content, as with `*`, `!**/a` and `d` for the file `d/e/a`.

        BuildKit walks as `ignores` does, which does not test the pattern `d` at the directory `d`, as it is ignored
        already. Before BuildKit reads a file it asks again, by path alone (`MatchesOrParentMatches`): `d` matches last.

        Args:
            path: a file that `ignores` keeps.
        """
        parts = path.split("/")
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        ignored = False
        for pattern in self.patterns if self.exceptions and len(parts) > 1 else ():
            if pattern.exception == ignored and any(map(pattern.matches, paths)):
                ignored = not pattern.exception
        return ignored


def parse(content: bytes, path: Path) -> Ignore:
    """Read an ignore file; its path is for errors.

    Raises:
        UnreadableInputError: it is not UTF-8, or BuildKit refuses a line or gives it a meaning by accident.
    """
    patterns = []
    for number, line in enumerate(text.decoded(content, path).split("\n"), 1):
        if line.startswith("#"):
            continue
        if text.UNDECODED.search(line):
            reason = f"{path}:{number}: the text is not UTF-8; perhaps it is Latin-1"
            raise UnreadableInputError(reason, f"save {path} as UTF-8")
        try:
            pattern = _pattern(line)
        except (ValueError, re.error) as fault:
            raise UnreadableInputError(
                f"{path}:{number}: BuildKit cannot use this pattern: {fault}",
                "use '*', '?', '**', '[a-z]' and '!' only",
            ) from fault
        if pattern is not None:
            patterns.append(pattern)
    return Ignore(tuple(patterns))


def _pattern(line: str) -> Pattern | None:
    """Read one line; raises ValueError if BuildKit refuses it."""
    if len(line.encode()) > _LINE_BYTES:
        raise ValueError(f"the line is longer than {_LINE_BYTES:,} bytes")
    pattern = line.strip(_SPACE)
    if pattern.startswith("!"):
        pattern = "!" + _relative(pattern[1:].strip(_SPACE))
    elif pattern:
        pattern = _relative(pattern)
    # BuildKit's reader of the file does the above. Its matcher does it again, hence the meaning of `/!a` and `/ a`.
    pattern = pattern.strip(_SPACE)
    if not pattern:
        return None
    pattern = _clean(pattern)
    if pattern == "!":
        raise ValueError("`!` without a pattern")
    if any(character < " " or character == "\x7f" for character in pattern):
        raise ValueError("it has a control character")
    exception = pattern.startswith("!")
    return Pattern(exception, _compile(pattern[1:] if exception else pattern))


def _relative(text: str) -> str:
    cleaned = _clean(text) if text else ""
    return cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned


def _clean(text: str) -> str:
    """Clean a path as Go's `filepath.Clean`; Python's normpath keeps two slashes at the start, as POSIX allows."""
    return posixpath.normpath("/" + text.lstrip("/") if text.startswith("/") else text)


def _compile(pattern: str) -> Callable[[str], bool]:
    """Return a test for paths; raises ValueError or re.error for a malformed pattern."""
    parts, literal = _expression(pattern)
    if literal and not pattern.startswith("**"):
        if pattern.endswith("**"):
            start = pattern[:-2]
            return lambda path: path.startswith(start)
        return lambda path: path == pattern
    if literal:
        end = pattern[2:]
        return lambda path: path.endswith(end) or (end[:1] == "/" and path == end[1:])
    if sum(part in OPEN for part in parts) > MOST_OPEN:
        return Expression(parts).matches
    compiled = re.compile("".join(parts))
    return lambda path: compiled.fullmatch(path) is not None


def _expression(pattern: str) -> tuple[list[str], bool]:
    """Translate a pattern to a regular expression.

    Returns:
        The expression in parts, and whether the pattern is plain text except for a `**` at its start or its end.
        BuildKit compares such a pattern as text, with another result: `**a` matches any path that ends with "a".
    """
    parts: list[str] = []
    literal = True
    accident = ""
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if pattern.startswith("**", at):
            start = at
            at += 3 if pattern.startswith("**/", at) else 2
            last = at >= len(pattern)
            literal = literal and (start == 0 or last) and not (last and pattern.startswith("**") and start > 0)
            parts.append(REST if last else DIRECTORIES)
            continue
        if character == "[":
            end = _class_end(pattern, at)
            parts.append(_class(pattern[at + 1 : end]))
            at = end
        elif character == "\\":
            at += 1
            parts.append(re.escape(_escaped(pattern, at)))
        elif character in "*?":
            parts.append(WITHIN if character == "*" else "[^/]")
        elif character == "^":
            parts.append("^")
        else:
            parts.append(re.escape(character))
            accident = accident or _accident(pattern, at)
        literal = literal and character not in "[]\\*?"
        at += 1
    if accident and not literal:
        raise _syntax(accident)
    return parts, literal


def _syntax(text: str, where: str = "") -> ValueError:
    return ValueError(f"BuildKit reads {text!r}{where} as regular expression syntax")


def _accident(pattern: str, at: int) -> str:
    """Return the text at `at` that BuildKit does not quote in a regular expression, or an empty text."""
    repeat = _REPEAT.match(pattern, at)
    return repeat[0] if repeat else pattern[at] if pattern[at] == "|" else ""


def _escaped(pattern: str, at: int) -> str:
    """Return the character at `at`, which a backslash precedes."""
    if at >= len(pattern):
        raise ValueError("it ends with a backslash")
    character = pattern[at]
    if not character.isascii() or character.isalnum():
        raise _syntax(f"\\{character}")
    return character


def _class_end(pattern: str, start: int) -> int:
    """Return where the bracket expression that opens at `start` closes, by the rules of Go's `filepath.Match`."""
    at = start + 2 if pattern.startswith("[^", start) else start + 1
    first = True
    while first or pattern[at : at + 1] != "]":
        at = _class_character(pattern, at)
        if pattern[at : at + 1] == "-":
            at = _class_character(pattern, at + 1)
        first = False
    return at


def _class_character(pattern: str, at: int) -> int:
    """Return the position after one character of a bracket expression."""
    character = pattern[at : at + 1]
    if not character or character in "-]":
        raise ValueError("a bracket is malformed or not closed")
    if character in "[*?":
        raise _syntax(character, " within brackets")
    if character == "\\":
        at += 1
        _escaped(pattern, at)
    if at + 1 >= len(pattern):
        raise ValueError("a bracket is malformed or not closed")
    return at + 1


def _class(inside: str) -> str:
    """Translate the text within brackets; only `-` and a `^` at its start are syntax there."""
    negated = inside.startswith("^")
    parts = []
    at = 1 if negated else 0
    while at < len(inside):
        character = inside[at]
        if character == "\\":
            at += 1
            parts.append(re.escape(inside[at]))
        else:
            parts.append("-" if character == "-" else re.escape(character))
        at += 1
    return f"[{'^' if negated else ''}{''.join(parts)}]"


class Expression:
    """A regular expression with many wildcards, matched in a time linear in the path's length and in theirs.

    Python's `re` tries one way after another: a pattern of thirty wildcards that does not match a name of two hundred
    characters would never end. Go's regexp, which BuildKit uses, follows all ways at once, and so does this class.

    A state is the number of the part that comes next; its complement is "in the directories that this part skips".

    Args:
        parts: `WITHIN`, `DIRECTORIES`, `REST`, `^`, and expressions of one character each.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._singles = {part: re.compile(part) for part in parts if part not in OPEN and part != _START}

    def matches(self, path: str) -> bool:
        """Whether the expression matches all of `path`."""
        states = self._closed({0}, start=True)
        for character in path:
            states = self._closed({found for state in states for found in self._after(state, character)}, start=False)
        return len(self._parts) in states

    def _closed(self, states: set[int], *, start: bool) -> set[int]:
        """Add the states that need no character to be reached."""
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            part = self._part(state) if state >= 0 else ""
            if (part in OPEN or (part == _START and start)) and state + 1 not in states:
                states.add(state + 1)
                waiting.append(state + 1)
        return states

    def _after(self, state: int, character: str) -> Iterator[int]:
        part = self._part(state)
        if part == DIRECTORIES:
            yield from self._skipped(state if state >= 0 else ~state, character)
        elif part == WITHIN:
            if character != "/":
                yield state
        elif part == REST:
            # A dot matches any character except a line break.
            if character != "\n":
                yield state
        elif part in self._singles and self._singles[part].fullmatch(character):
            yield state + 1

    @staticmethod
    def _skipped(number: int, character: str) -> Iterator[int]:
        if character != "\n":
            yield ~number
        if character == "/":
            yield number + 1

    def _part(self, state: int) -> str:
        number = state if state >= 0 else ~state
        return self._parts[number] if number < len(self._parts) else ""
