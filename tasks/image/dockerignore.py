r"""The patterns of an ignore file, with the meaning that BuildKit gives them.

The rules come from what BuildKit uses: github.com/moby/patternmatcher (`ignorefile.ReadAll`, then `PatternMatcher`),
and the walk of github.com/tonistiigi/fsutil. They are less regular than the Dockerfile reference says: every line is
cleaned twice, `/!a` is an exception, `^` keeps a regular expression's meaning where a pattern also has a wildcard. An
integration test compares them with a real engine.

BuildKit turns a pattern into a regular expression without quoting all of it, so that some patterns mean something by
accident: `\d` is a digit, `[[:alpha:]]` a letter, `*.a|*.b` an alternative, and a wildcard in brackets
is none. Those are refused, with the line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import UnreadableInputError
from tasks.image import text

_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go's `unicode.IsSpace`; `str.strip` alone would also take the separators from 1c to 1f."""

_LINE_BYTES = 65535
"""The longest line that Go's `bufio.Scanner` hands over."""

_REPEAT = re.compile(r"\{[0-9]+(,[0-9]*)?\}")

Matched = tuple[bool, ...]
"""Which of the patterns match a directory or one above it; a path below it matches them too."""


@dataclass(frozen=True)
class Pattern:
    """One line of an ignore file.

    Attributes:
        exception: whether it began with `!`: what matches is kept after all.
        matches: whether a path relative to the build directory fits the pattern.
    """

    exception: bool
    matches: Callable[[str], bool]


@dataclass(frozen=True)
class Ignore:
    """What an ignore file leaves out of a context.

    Attributes:
        patterns: in the order of the file; the last one that matches a path decides.
    """

    patterns: tuple[Pattern, ...] = ()

    @property
    def exceptions(self) -> bool:
        """Whether something below an ignored directory may be kept."""
        return any(pattern.exception for pattern in self.patterns)

    def ignores(self, path: str, parent: Matched) -> tuple[bool, Matched]:
        """Say whether a path is left out.

        Args:
            path: relative to the build directory, with slashes.
            parent: what this method said of the directory that the path is in; empty for the build directory.

        Returns:
            Whether it is left out, and what matched, to ask with about what is below it.
        """
        ignored = False
        matched = []
        for index, pattern in enumerate(self.patterns):
            match = bool(parent) and parent[index]
            # Only a pattern that would change the answer is looked at, so what matched is not what would match.
            if not match and pattern.exception == ignored:
                match = pattern.matches(path)
            matched.append(match)
            if match:
                ignored = not pattern.exception
        return ignored, tuple(matched)

    def empties(self, path: str) -> bool:
        """Whether BuildKit sends a file that it found without its content, as of `*`, `!**/a` and `d` for `d/e/a`.

        It looks for files as `ignores` does, which passes over the pattern `d` at the directory `d`, ignored already.
        Before it reads one it asks again, by path alone (`MatchesOrParentMatches`), and `d` is the last that matches.

        Args:
            path: of a file that `ignores` keeps.
        """
        parts = path.split("/")
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        ignored = False
        for pattern in self.patterns if self.exceptions and len(parts) > 1 else ():
            if pattern.exception == ignored and any(map(pattern.matches, paths)):
                ignored = not pattern.exception
        return ignored


def parse(content: bytes, path: Path) -> Ignore:
    """Read an ignore file.

    Args:
        content: its bytes.
        path: where it is, for errors.

    Raises:
        UnreadableInputError: it is not UTF-8, or BuildKit refuses a line, or means something by it that nobody does.
    """
    patterns = []
    for number, line in enumerate(text.decoded(content, path).split("\n"), 1):
        if line.startswith("#"):
            continue
        if text.UNDECODED.search(line):
            reason = f"{path}:{number}: this is not UTF-8 (Latin-1, perhaps)"
            raise UnreadableInputError(reason, f"save {path} as UTF-8")
        try:
            pattern = _pattern(line)
        except (ValueError, re.error) as fault:
            raise UnreadableInputError(
                f"{path}:{number}: BuildKit cannot use this pattern: {fault}",
                "write it with '*', '?', '**', '[a-z]' and '!' only",
            ) from fault
        if pattern is not None:
            patterns.append(pattern)
    return Ignore(tuple(patterns))


def _pattern(line: str) -> Pattern | None:
    """Read one line; ValueError where BuildKit refuses it."""
    if len(line.encode()) > _LINE_BYTES:
        raise ValueError("the line is too long")
    pattern = line.strip(_SPACE)
    if pattern.startswith("!"):
        pattern = "!" + _relative(pattern[1:].strip(_SPACE))
    elif pattern:
        pattern = _relative(pattern)
    # BuildKit's reader of the file has done the above; its matcher does the same again, which is how `/!a` and
    # `/ a` come to mean what they do.
    pattern = pattern.strip(_SPACE)
    if not pattern:
        return None
    pattern = _clean(pattern)
    if pattern == "!":
        raise ValueError("an exception to nothing")
    if any(character < " " or character == "\x7f" for character in pattern):
        raise ValueError("a control character")
    exception = pattern.startswith("!")
    return Pattern(exception, _compile(pattern[1:] if exception else pattern))


def _relative(text: str) -> str:
    cleaned = _clean(text) if text else ""
    return cleaned[1:] if len(cleaned) > 1 and cleaned.startswith("/") else cleaned


def _clean(text: str) -> str:
    """Go's `filepath.Clean`; Python's normpath keeps two slashes at the start, as POSIX lets it."""
    return posixpath.normpath("/" + text.lstrip("/") if text.startswith("/") else text)


def _compile(pattern: str) -> Callable[[str], bool]:
    """Return a test for paths; ValueError or re.error where the pattern is malformed."""
    parts, literal = _expression(pattern)
    if literal and not pattern.startswith("**"):
        if pattern.endswith("**"):
            start = pattern[:-2]
            return lambda path: path.startswith(start)
        return lambda path: path == pattern
    if literal:
        end = pattern[2:]
        return lambda path: path.endswith(end) or (end[:1] == "/" and path == end[1:])
    if sum(part in OPEN for part in parts) > MOST:
        return Expression(parts).matches
    compiled = re.compile("".join(parts))
    return lambda path: compiled.fullmatch(path) is not None


def _expression(pattern: str) -> tuple[list[str], bool]:
    """Translate a pattern to a regular expression.

    Returns:
        The expression in parts, and whether the pattern is plain text but for a `**` at its start or its end. BuildKit
        compares such a pattern as text, which differs: `**a` is any path that ends with "a", within a name or not.
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
        raise ValueError(f"{accident!r} is part of a regular expression there")
    return parts, literal


def _accident(pattern: str, at: int) -> str:
    """Return what at `at` BuildKit leaves unquoted in a regular expression, or nothing."""
    repeat = _REPEAT.match(pattern, at)
    return repeat[0] if repeat else pattern[at] if pattern[at] == "|" else ""


def _escaped(pattern: str, at: int) -> str:
    """Return the character at `at`, which a backslash precedes."""
    if at >= len(pattern):
        raise ValueError("nothing follows the backslash")
    character = pattern[at]
    if not character.isascii() or character.isalnum():
        raise ValueError(f"'\\{character}' is part of a regular expression there")
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
        raise ValueError("a malformed or unclosed bracket")
    if character in "[*?":
        raise ValueError(f"{character!r} within brackets is part of a regular expression there")
    if character == "\\":
        at += 1
        _escaped(pattern, at)
    if at + 1 >= len(pattern):
        raise ValueError("a malformed or unclosed bracket")
    return at + 1


def _class(inside: str) -> str:
    """Translate what is within the brackets; only `-` and a first `^` keep a meaning there."""
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


WITHIN, DIRECTORIES, REST = "[^/]*", "(?:.*/)?", ".*"
"""The parts of an expression that match any number of characters: `*`, `**/` and `**` at the end."""

OPEN = frozenset({WITHIN, DIRECTORIES, REST})

MOST = 2
"""How many of them are left to regular expressions, whose time is the path's length to the power of their number."""

_START = "^"


class Expression:
    """A regular expression of simple parts.

    A state is the number of the part that comes next; its complement is "in the directories that this part skips".

    Args:
        parts: those above, `^`, and expressions of one character each.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._singles = {part: re.compile(part) for part in parts if part not in OPEN and part != _START}

    def matches(self, path: str) -> bool:
        """Whether the expression matches the whole of `path`."""
        states = self._closed({0}, start=True)
        for character in path:
            states = self._closed({found for state in states for found in self._after(state, character)}, start=False)
        return len(self._parts) in states

    def _closed(self, states: set[int], *, start: bool) -> set[int]:
        """Add the states that are reached without a character."""
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
            # A dot is any character but a line break.
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
