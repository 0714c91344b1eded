"""What names and values may be, wherever a person writes them: in the catalogue, in a variable, in a properties file.

Each rule takes a text and returns why it is refused, as the end of a sentence that begins with the quoted text, or
None.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.configuration.suggest import did_you_mean
from tasks.model import VERSION_PLACEHOLDER

Rule = Callable[[str], str | None]
"""A text to why it is refused, or None."""

DRIVERS = ("docker-container", "kubernetes", "remote", "docker")
"""The drivers of docs.docker.com/build/builders/drivers."""

_IMAGE_LENGTH = 128
_DEEPEST = 8
_FILE_LENGTH = 255  # Linux's and macOS's NAME_MAX.
_REPOSITORY_LENGTH = 256

# ECR's CreateRepository gives this pattern for repositoryName, and 256 characters for the whole of it; what one image
# name may not use of them is left for the prefix.
_COMPONENT = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_IMAGE = re.compile(_COMPONENT)
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_DIRECTORY_PART = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_JAR = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*")


def matching(pattern: str, reason: str) -> Rule:
    """Return the rule that a text matches `pattern` as a whole."""
    compiled = re.compile(pattern)
    return lambda text: None if compiled.fullmatch(text) else reason


def one_of(*known: str) -> Rule:
    """Return the rule that a text is one of `known`."""
    return lambda text: None if text in known else f"is none of {', '.join(known)}{did_you_mean(text, known)}"


stack = matching(r"[A-Za-z][A-Za-z0-9]*", "is no name of letters and digits")
build_argument = matching(r"[A-Za-z_][A-Za-z0-9_]*", "is no variable's name")
builder = matching(r"[A-Za-z][A-Za-z0-9._-]*", "is no name for a builder: use letters, digits, '.', '_' and '-'")
driver_option = matching(r"[A-Za-z][A-Za-z0-9._-]*", "is no option's name")
endpoint = matching(r"[^\s-]\S*", "is no context or address")
driver = one_of(*DRIVERS)


def image(text: str) -> str | None:
    """Refuse what cannot be the last part of an ECR repository's name."""
    if len(text) > _IMAGE_LENGTH:
        return f"is longer than {_IMAGE_LENGTH} characters"
    if _IMAGE.fullmatch(text):
        return None
    return "is refused by ECR: use lower-case letters and digits, with single '.', '_' or '-' between them"


def repository_prefix(text: str) -> str | None:
    """Refuse what cannot stand before `/<image>` in an ECR repository's name."""
    if len(text) + 1 + _IMAGE_LENGTH > _REPOSITORY_LENGTH:
        return f"is longer than {_REPOSITORY_LENGTH - 1 - _IMAGE_LENGTH} characters"
    if _REPOSITORY.fullmatch(text):
        return None
    return "is refused by ECR: use lower-case letters and digits, with single '.', '_', '-' or '/' between them"


def directory(text: str) -> str | None:
    """Refuse what is no directory below SCRIPTS_DIR/docker."""
    parts = text.split("/")
    if text.startswith("/"):
        return "is absolute; name a directory below SCRIPTS_DIR/docker"
    if ".." in parts:
        return "climbs out of SCRIPTS_DIR/docker"
    if max(map(len, parts)) > _FILE_LENGTH or text.count("/") > _DEEPEST:
        return "is longer than a directory's name can be"
    if not all(_DIRECTORY_PART.fullmatch(part) and part != "." for part in parts):
        return "is no directory below SCRIPTS_DIR/docker"
    return None


def jar(text: str) -> str | None:
    """Refuse what is no jar's file name with the place of the version marked once."""
    if "/" in text or "\\" in text:
        return "has a path; name the file below SCRIPTS_DIR/jars"
    if text.count(VERSION_PLACEHOLDER) != 1:
        return f"must hold {VERSION_PLACEHOLDER} once, where the version of Sleeper stands"
    if len(text) > _FILE_LENGTH:
        return "is longer than a file's name can be"
    if not text.endswith(".jar") or not _JAR.fullmatch(text.replace(VERSION_PLACEHOLDER, "1")):
        return "is no file name of a jar"
    return None
