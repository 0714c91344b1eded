"""Text for people: made safe to show, and laid out in lines. Pure.

    printable         what cannot be seen is escaped: names of files, which may hold anything
    without_controls  what steers a terminal is removed: the output of builds, which may be coloured
    one_line          one line of bounded length without secrets: what a server or another program says
    quoted            the same, quoted: what a person typed
    shown_url         a URL without its user, query and fragment, in which secrets travel
    human             a number of bytes
    wrapped, folded   lines of at most a width
    width, clipped    how wide a text is on a terminal, and its beginning if it is too wide

What a secret is, `tasks/system/secrets.py` knows.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata

from tasks.system.secrets import without_secrets

WIDTH = 80
"""The greatest width of the lines that we print, however wide the terminal is: they end up in logs and messages."""

TOGETHER = "\N{NO-BREAK SPACE}"
"""A space at which `folded` does not break a line, and which it writes as a normal space."""

_LONGEST_LINE = 300
_LONGEST_QUOTE = 60

# First sequences (ECMA-48, 5.4: CSI; xterm's OSC), then the other control characters but line breaks and tabs.
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def printable(text: str, *, keep: str = "") -> str:
    """Return the text with what cannot be seen or encoded escaped as in Python, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else repr(one)[1:-1] for one in text)


def without_controls(text: str) -> str:
    """Return the text without control sequences and control characters, but with its line breaks and tabs."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return the text as one line of bounded length, without secrets and without control characters."""
    # No more than this is ever shown. Secrets are removed before the text is cut: half of one is not recognised.
    seen = without_secrets(text[: 4 * _LONGEST_LINE])
    line = " ".join("".join(one if one.isprintable() else " " for one in seen).split())
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"


def quoted(text: str) -> str:
    """Return what a person typed for a message: in quotes, on one line, of bounded length, without secrets."""
    text = without_secrets(text)
    return repr(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…")


def shown_url(url: str) -> str:
    """Return a URL as a message may show it: without user, query and fragment."""
    return one_line(re.sub(r"//[^/?#]*@", "//", re.split(r"[?#]", without_secrets(url), maxsplit=1)[0]))


def human(count: float) -> str:
    """Return a number of bytes for people: 512 B, 31.5 kB, 1.2 GB."""
    if count < 1000:  # noqa: PLR2004  # What a kilobyte is.
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:  # noqa: PLR2004  # What would round to the next unit's 1.0.
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def wrapped(text: str, indent: str, width: int = WIDTH) -> list[str]:
    """Return the text's lines, each indented and no longer than `width` if its words allow that."""
    lines: list[str] = []
    for line in text.splitlines():
        own = indent + line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line.strip(),
            width,
            initial_indent=own,
            subsequent_indent=own,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def folded(line: str, indent: str, width: int = WIDTH) -> list[str]:
    """Return a line unchanged if it fits; otherwise several lines, all but the first indented."""
    lines = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(TOGETHER, " ") for line in lines]


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes (Unicode's UAX 11); it has no control characters."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def clipped(text: str, columns: int, *, ascii_only: bool = False) -> str:
    """Return the text if it fits so many columns; else its beginning, with an ellipsis unless `ascii_only`."""
    if width(text) <= columns:
        return text
    more = "" if ascii_only else "…"
    kept, left = "", columns - len(more)
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return kept + more if columns > 0 else ""


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
