"""What a value may be, and how its text is read: in the catalogue, in a setting, in a properties file.

A `Rule` says why a text is not accepted. A `Reader` turns the text of a setting into its value. The reason that either
gives ends a message that begins with the text, as in `'12345' must be 12 digits`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.configuration.faults import did_you_mean
from tasks.errors import SettingsError
from tasks.model import VERSION_PLACEHOLDER
from tasks.reference import Registry, check_version, split_host


@dataclass(frozen=True)
class Rule:
    """What a text may be. Call it with a text: it returns why the text is not accepted, or None.

    Attributes:
        check: returns why a text is not accepted, or None.
        pattern: a regular expression that every accepted text matches as a whole, for editors; empty if unknown.
        choices: the accepted texts, if they can be listed.
    """

    check: Callable[[str], str | None]
    pattern: str = ""
    choices: tuple[str, ...] = ()

    def __call__(self, text: str) -> str | None:
        """Return why the text is not accepted, or None."""
        return self.check(text)


UNPRINTABLE = "must not contain a line break, a control character or an invisible character"
"""Why a text that is not one printable line is not accepted, wherever it is."""

Reader = Callable[[str, Path], Any]
"""Turns a text, and the directory that relative paths start from, into a value; ValueError with the reason."""


def matching(pattern: str, reason: str) -> Rule:
    """Return the rule that a text matches `pattern` as a whole."""
    compiled = re.compile(pattern)
    return Rule(lambda text: None if compiled.fullmatch(text) else reason, pattern)


def one_of(*known: str) -> Rule:
    """Return the rule that a text is one of `known`."""

    def check(text: str) -> str | None:
        return None if text in known else f"must be one of {', '.join(known)}{did_you_mean(text, known)}"

    return Rule(check, choices=known)


# Names

DRIVERS = ("docker-container", "kubernetes", "remote", "docker")
"""The drivers of docs.docker.com/build/builders/drivers."""

_IMAGE_LENGTH = 128
_DEEPEST = 8
_PATH_LENGTH, _NAME_LENGTH = 4095, 255
"""Linux's PATH_MAX, without the final zero byte, and NAME_MAX; macOS's are not larger."""
_REPOSITORY_LENGTH = 256

# ECR's CreateRepository gives this pattern for repositoryName, and 256 characters for the whole name; the part that an
# image name does not use is left for the prefix.
_COMPONENT = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_DIRECTORY_PART = r"(?!\.\.?(?:/|$))[A-Za-z0-9._][A-Za-z0-9._-]*"
_JAR_PART = r"[A-Za-z0-9._+-]*"

_is_component = re.compile(_COMPONENT).fullmatch
_is_repository = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*").fullmatch
_is_directory_part = re.compile(_DIRECTORY_PART).fullmatch
_is_jar = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*\.jar").fullmatch

stack = matching(r"[A-Za-z][A-Za-z0-9]*", "must be letters and digits, starting with a letter")
build_argument = matching(r"[A-Za-z_][A-Za-z0-9_]*", "must be a variable name: letters, digits and '_'")
builder = matching(r"[A-Za-z][A-Za-z0-9._-]*", "must be letters, digits, '.', '_' and '-', starting with a letter")
driver_option = matching(r"[A-Za-z][A-Za-z0-9._-]*", "must be an option name: letters, digits, '.', '_' and '-'")
endpoint = matching(r"[^\s-]\S*", "must be a Docker context or an address")
driver = one_of(*DRIVERS)
account = matching(r"[0-9]{12}", "must be 12 digits")
region = matching(r"[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}", "must be an AWS Region, such as eu-west-2")
image_glob = matching(r"[a-z0-9*?\[][a-z0-9*?\[\]!._-]*", "must be an image name or a glob")


def _image(text: str) -> str | None:
    if len(text) > _IMAGE_LENGTH:
        return f"must be at most {_IMAGE_LENGTH} characters"
    if _is_component(text):
        return None
    return "must be lower-case letters and digits, with single '.', '_' or '-' between them, as ECR requires"


def _repository_prefix(text: str) -> str | None:
    if len(text) + 1 + _IMAGE_LENGTH > _REPOSITORY_LENGTH:
        return f"must be at most {_REPOSITORY_LENGTH - 1 - _IMAGE_LENGTH} characters"
    if _is_repository(text):
        return None
    return "must be lower-case letters and digits, with single '.', '_', '-' or '/' between them, as ECR requires"


def _directory(text: str) -> str | None:
    parts = text.split("/")
    if text.startswith("/"):
        return "must be relative to SCRIPTS_DIR/docker"
    if ".." in parts:
        return "must stay below SCRIPTS_DIR/docker, without '..'"
    if max(map(len, parts)) > _NAME_LENGTH or text.count("/") > _DEEPEST:
        return f"must be at most {_DEEPEST + 1} names of at most {_NAME_LENGTH} characters each"
    if not all(map(_is_directory_part, parts)):
        return "must be a directory below SCRIPTS_DIR/docker: letters, digits, '.', '_', '-' and '/'"
    return None


def _jar(text: str) -> str | None:
    if "/" in text or "\\" in text:
        return "must be a file name without a path; jars are in SCRIPTS_DIR/jars"
    if text.count(VERSION_PLACEHOLDER) != 1:
        return f"must contain {VERSION_PLACEHOLDER} once, in place of Sleeper's version"
    if len(text) > _NAME_LENGTH:
        return f"must be at most {_NAME_LENGTH} characters"
    if not _is_jar(text.replace(VERSION_PLACEHOLDER, "1")):
        return "must be the file name of a jar: letters, digits, '.', '_', '+' and '-', ending with .jar"
    return None


image = Rule(_image, _COMPONENT)
"""What can be the last part of an ECR repository's name."""

repository_prefix = Rule(_repository_prefix)
"""What can come before `/<image>` in an ECR repository's name."""

directory = Rule(_directory, rf"{_DIRECTORY_PART}(?:/{_DIRECTORY_PART})*")
"""A directory below SCRIPTS_DIR/docker."""

jar = Rule(_jar, rf"(?![-+]){_JAR_PART}{VERSION_PLACEHOLDER}{_JAR_PART}\.jar")
"""A jar's file name with `<version>` once in place of the version."""


# Platforms, as BuildKit names them: os/architecture[/variant]. containerd accepts several spellings of one platform
# (github.com/containerd/platforms, database.go) and writes another one than it was given. Only the written one is
# accepted here, so that the requested platform can be compared with the one in a manifest.

COMMON_PLATFORMS = (
    "linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x",
)  # fmt: skip
"""What a mistyped platform is compared with."""

# BuildKit builds for any platform it is given, so an image for a mistyped one would be pushed and run nowhere.
_SYSTEMS = {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasi", "wasip1"}
# Those of Go (`go tool dist list`), in which engines are written.
_ARCHITECTURES = {
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
}  # fmt: skip

_PLATFORM = r"[a-z][a-z0-9]*/[a-z0-9][a-z0-9_-]*(?:/v[0-9]+)?"
_is_platform = re.compile(_PLATFORM).fullmatch

_WRITTEN = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "amd64/v1": "amd64",
    "aarch64": "arm64",
    "arm64/v8": "arm64",
    "arm": "arm/v7",
    "armhf": "arm/v7",
    "armel": "arm/v6",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
}

_MACHINES = {**_WRITTEN, "armv6l": "arm/v6", "armv7l": "arm/v7", "loongarch64": "loong64"}


def _platform(text: str) -> str | None:
    if not _is_platform(text):
        return f"must be a platform, os/architecture[/variant]{did_you_mean(text, COMMON_PLATFORMS)}"
    system, _, machine = text.partition("/")
    if machine in _WRITTEN:
        return f"must be written '{system}/{_WRITTEN[machine]}', as in an image's manifest"
    if system not in _SYSTEMS or machine.partition("/")[0] not in _ARCHITECTURES:
        return f"is not a known platform{did_you_mean(text, COMMON_PLATFORMS)}"
    return None


platform = Rule(_platform, _PLATFORM)
"""A platform as a manifest spells it."""


def written_platform(system: str, architecture: str, variant: str = "") -> str:
    """Return a platform as a manifest spells it, from the fields of a manifest or an image's config."""
    machine = f"{architecture}/{variant}" if variant else architecture
    return f"{system}/{_WRITTEN.get(machine, machine)}"


def native_platform() -> str:
    """Return the platform of a Linux container that runs on this machine without emulation."""
    machine = os.uname().machine.lower()
    return f"linux/{_MACHINES.get(machine, machine)}"


# Readers of settings

NO_STACKS = "none"
"""The value of STACKS for an instance without optional stacks; an empty variable is not set."""

_LONGEST_WAIT = 7 * 24 * 3600
_MOST_PARALLEL = 64


def text(rule: Rule) -> Reader:
    """Return the reader of a text that a rule accepts."""

    def read(given: str, _: Path) -> str:
        if (reason := rule(given)) is not None:
            raise ValueError(reason)
        return given

    return read


def choice(*known: str) -> Reader:
    """Return the reader of one of several words, in any case."""
    read = text(one_of(*known))
    return lambda given, here: read(given.lower(), here)


def read_path(given: str, here: Path) -> Path:
    """Return the path that a text names; `~` is a home directory."""
    try:
        found = here / Path(given).expanduser()
    except RuntimeError:
        raise ValueError(f"{given.partition('/')[0]}: no such user") from None
    if len(os.fsencode(found)) > _PATH_LENGTH or max(len(os.fsencode(part)) for part in found.parts) > _NAME_LENGTH:
        raise ValueError(f"must be at most {_PATH_LENGTH} bytes, and each name in it at most {_NAME_LENGTH}")
    return _without_detours(found)


def _without_detours(found: Path) -> Path:
    """Return the path without `..`, unless a symbolic link makes that another place."""
    if ".." not in found.parts:
        return found
    short = os.path.normpath(found)
    return Path(short) if os.path.realpath(short) == os.path.realpath(found) else found


def read_file(given: str, here: Path) -> Path:
    """Return the path of a file that exists."""
    found = read_path(given, here)
    # os.path, because Path.is_file raises for a name that is too long.
    if not os.path.isfile(found):  # noqa: PTH113
        raise ValueError(f"no such file: {found}")
    return found


def read_registry(given: str, _: Path) -> str:
    """Return a registry's host, with its port if it has one."""
    try:
        return str(Registry(given))
    except SettingsError:
        raise ValueError("must be a registry host or host:port, without a scheme and a path") from None


def read_prefix(given: str, here: Path) -> str:
    """Return `[registry/]path`, the part of a repository's name before `/<image>`."""
    host, path = split_host(given)
    if host is not None:
        read_registry(host, here)
    return f"{given[: len(given) - len(path)]}{text(repository_prefix)(path, here)}"


def read_version(given: str, _: Path) -> str:
    """Return a version that can be a tag."""
    try:
        return check_version(given)
    except SettingsError as fault:
        raise ValueError(f"cannot be a tag: {fault.next_step}") from None


def read_platform(given: str, here: Path) -> str:
    """Return a platform; `native` is this machine's own."""
    return str(text(platform)(native_platform() if given.lower() == "native" else given, here))


def items(rule: Rule) -> Reader:
    """Return the reader of a comma-separated list; each item must be one that the rule accepts."""
    read = text(rule)

    def read_items(given: str, here: Path) -> tuple[str, ...]:
        found = dict.fromkeys(str(read(item.strip(), here)) for item in given.split(",") if item.strip())
        if not found:
            raise ValueError("must have at least one item")
        return tuple(found)

    return read_items


def read_stacks(given: str, here: Path) -> tuple[str, ...]:
    """Return the names of optional stacks; `none` gives an empty list."""
    return () if given.lower() == NO_STACKS else tuple(items(stack)(given, here))


def read_options(given: str, here: Path) -> tuple[tuple[str, str], ...]:
    """Return comma-separated `name=value` pairs, sorted by name."""
    found = {}
    for item in given.split(","):
        name, equals, value = item.strip().partition("=")
        if not equals:
            raise ValueError(f"must be a list of name=value: {item.strip()!r} has no '='")
        found[text(driver_option)(name, here)] = value
    return tuple(sorted(found.items()))


def read_url(given: str, _: Path) -> str:
    """Return an http or https URL without a login."""
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", given):
        raise ValueError("must be an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("must not contain a login: AWS credentials do not belong in a URL")
    return given


def read_flag(given: str, _: Path) -> bool:
    """Return true or false."""
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if given.lower() not in known:
        raise ValueError(f"must be true or false{did_you_mean(given, known)}")
    return known[given.lower()]


def read_count(given: str, _: Path) -> int:
    """Return a number of things that happen at once."""
    if not (re.fullmatch(r"[0-9]{1,3}", given) and 1 <= int(given) <= _MOST_PARALLEL):
        raise ValueError(f"must be a number from 1 to {_MOST_PARALLEL}")
    return int(given)


def read_seconds(given: str, _: Path) -> float:
    """Return a number of seconds."""
    if not (re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,3})?", given) and float(given) <= _LONGEST_WAIT):
        raise ValueError(f"must be a number of seconds from 0 to {_LONGEST_WAIT}")
    return float(given)
