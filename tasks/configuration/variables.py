"""The variables that settings are made of: how each is called, read and defaulted. `docs/settings.md` explains them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.configuration import platforms, rules
from tasks.configuration.suggest import did_you_mean
from tasks.errors import SettingsError
from tasks.reference import Registry, check_version, split_host
from tasks.registry.kinds import KINDS

Reader = Callable[[str, Path], Any]
"""A text and the directory that relative paths start from, to a value; ValueError with the end of a sentence."""

NO_STACKS = "none"
"""The value of STACKS for an instance without optional stacks; an empty variable is one that is not set."""

_LONGEST_WAIT = 7 * 24 * 3600.0
_MOST_PARALLEL = 64


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: as in the environment; on doit's command line in either case.
        read: its text to its value.
        default: the text of its default; empty where it has none.
        unset: what stands in for it where it has no value, for people.
        properties: the keys of instance.properties that give it, the first that is there.
        environment: the environment variables that give it after everything else that a person set.
        exported: whether the environment can give it at all; what is asked of one run cannot be exported.
        destination: whether it says where images go, so that a sandbox must not take it from the environment.
    """

    name: str
    read: Reader
    default: str = ""
    unset: str = "not set"
    properties: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    exported: bool = True
    destination: bool = False

    @property
    def field(self) -> str:
        """The name of the setting that it gives."""
        return self.name.lower()


def _text(rule: rules.Rule) -> Reader:
    def read(text: str, _: Path) -> str:
        if (reason := rule(text)) is not None:
            raise ValueError(reason)
        return text

    return read


def _lower(rule: rules.Rule) -> Reader:
    def read(text: str, here: Path) -> str:
        return str(_text(rule)(text.lower(), here))

    return read


_PATH_LENGTH, _NAME_LENGTH = 4095, 255
"""Linux's PATH_MAX, less the final zero, and NAME_MAX; macOS's are not larger."""


def path(text: str, here: Path) -> Path:
    """Return the path that a person wrote, `~` being a home directory; ValueError where there can be no such path."""
    try:
        found = here / Path(text).expanduser()
    except RuntimeError:
        raise ValueError("begins with the home directory of nobody here") from None
    if len(os.fsencode(found)) > _PATH_LENGTH or max(len(os.fsencode(part)) for part in found.parts) > _NAME_LENGTH:
        raise ValueError("is longer than a path can be")
    return _without_detours(found)


def _without_detours(found: Path) -> Path:
    """Return the path without `..`, as people read it, where no link makes that another place."""
    if ".." not in found.parts:
        return found
    short = os.path.normpath(found)
    return Path(short) if os.path.realpath(short) == os.path.realpath(found) else found


def _file(text: str, here: Path) -> Path:
    found = path(text, here)
    # os.path, because Path.is_file raises for a name that is too long.
    if not os.path.isfile(found):  # noqa: PTH113
        raise ValueError(f"is no file: there is no file {found}")
    return found


def _registry(text: str, _: Path) -> str:
    try:
        return str(Registry(text))
    except SettingsError:
        raise ValueError("is no registry host; write host or host:port, without a scheme and a path") from None


def _prefix(text: str, here: Path) -> str:
    host, path = split_host(text)
    if host is not None:
        _registry(host, here)
    return f"{text[: len(text) - len(path)]}{_text(rules.repository_prefix)(path, here)}"


def _version(text: str, _: Path) -> str:
    try:
        return check_version(text)
    except SettingsError as fault:
        raise ValueError(f"cannot be a tag; {fault.next_step}") from None


def _platform(text: str, _: Path) -> str:
    platform = platforms.native() if text.lower() == "native" else text
    if (reason := platforms.fault(platform)) is not None:
        raise ValueError(reason)
    return platform


def _list(rule: rules.Rule) -> Reader:
    def read(text: str, here: Path) -> tuple[str, ...]:
        words = [word.strip() for word in text.split(",")]
        found = dict.fromkeys(str(_text(rule)(word, here)) for word in words if word)
        if not found:
            raise ValueError("names nothing")
        return tuple(found)

    return read


def _stacks(text: str, here: Path) -> tuple[str, ...]:
    return () if text.lower() == NO_STACKS else tuple(_list(rules.stack)(text, here))


def _options(text: str, here: Path) -> tuple[tuple[str, str], ...]:
    found = {}
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if not equals:
            raise ValueError(f"is no list of name=value: {word.strip()!r} has no '='")
        found[_text(rules.driver_option)(name, here)] = value
    return tuple(sorted(found.items()))


def _url(text: str, _: Path) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
        raise ValueError("is no URL of http or https")
    if "@" in parts.netloc:
        raise ValueError("holds a login; AWS's credentials do not belong into a URL")
    return text


def _flag(text: str, _: Path) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in known:
        raise ValueError(f"is neither true nor false{did_you_mean(text, known)}")
    return known[text.lower()]


def _count(text: str, _: Path) -> int:
    if not (re.fullmatch(r"[0-9]{1,3}", text) and 1 <= int(text) <= _MOST_PARALLEL):
        raise ValueError(f"is no number from 1 to {_MOST_PARALLEL}")
    return int(text)


def _seconds(text: str, _: Path) -> float:
    if not (re.fullmatch(r"[0-9]{1,7}(?:\.[0-9]{1,3})?", text) and float(text) <= _LONGEST_WAIT):
        raise ValueError(f"is no number of seconds up to {_LONGEST_WAIT:.0f}")
    return float(text)


def _parallel() -> str:
    """Two for each processor: a build waits for the engine and the network as much as it computes.

    Measured on two processors with twenty small images, the engine's cache empty: 7.3 s with two at once, 4.1 s with
    four, 4.4 s with eight. Above eight they would only press on the registry's limits.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return str(min(8, 2 * processors))


_account = rules.matching(r"[0-9]{12}", "is no AWS account: it has 12 digits")
_region = rules.matching(r"[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2}", "is no AWS Region, such as eu-west-2")
_image_glob = rules.matching(r"[a-z0-9*?\[][a-z0-9*?\[\]!._-]*", "is no image's name or glob")

_of_catalogue = "the catalogue's builder"

VARIABLES: tuple[Variable, ...] = (
    Variable("SCRIPTS_DIR", path, "scripts"),
    Variable("INSTANCE_ID", _text(rules.repository_prefix), properties=("sleeper.id",), destination=True),
    Variable(
        "ACCOUNT",
        _text(_account),
        unset="the account of the ECR token, when a task asks for one",
        properties=("sleeper.account",),
        destination=True,
    ),
    Variable(
        "REGION",
        _text(_region),
        unset="the AWS profile, when a task asks",
        properties=("sleeper.region",),
        environment=("AWS_REGION", "AWS_DEFAULT_REGION"),
        destination=True,
    ),
    Variable("DOCKER_REGISTRY", _registry, unset="ECR's host of ACCOUNT and REGION", destination=True),
    Variable(
        "REPO_PREFIX",
        _prefix,
        unset="DOCKER_REGISTRY/INSTANCE_ID",
        properties=("sleeper.ecr.repository.prefix", "sleeper.artefacts.deployment"),
        destination=True,
    ),
    Variable("REGISTRY", _lower(rules.one_of("auto", *KINDS)), "auto", destination=True),
    Variable("AWS_ENDPOINT_URL", _url, unset="AWS's own", destination=True),
    Variable("AWS_ENDPOINT_URL_ECR", _url, unset="AWS_ENDPOINT_URL", destination=True),
    Variable("VERSION", _version, unset="templates/version.txt below SCRIPTS_DIR, which is not there"),
    Variable("INSTANCE_PROPERTIES", _file, destination=True),
    Variable("STACKS", _stacks, unset="every image", properties=("sleeper.optional.stacks",)),
    Variable(
        "LAMBDA_DEPLOY_TYPE",
        _lower(rules.one_of("container", "jar")),
        "container",
        properties=("sleeper.lambda.deploy.type",),
    ),
    Variable("PLATFORM", _platform, "linux/amd64"),
    Variable("IMAGES", _list(_image_glob), unset="every image"),
    Variable("CATALOGUE", path, "catalogue/sleeper.yaml"),
    Variable("BUILDER", _text(rules.builder), unset=_of_catalogue),
    Variable("BUILDER_DRIVER", _lower(rules.driver), unset=_of_catalogue),
    Variable("BUILDER_OPTIONS", _options, unset=_of_catalogue),
    Variable("BUILDER_CONFIG", _file, unset=_of_catalogue),
    Variable("PARALLEL", _count, _parallel()),
    Variable("PUTS_PER_SECOND", _count, unset="8 for ECR, else as fast as can be"),
    Variable("STATE_DIR", path, ".sleeper-images"),
    Variable("SANDBOX_DIR", path, ".sandbox"),
    Variable("TARGET", _lower(rules.one_of("sandbox")), unset="the registry above", exported=False),
    Variable("FORCE", _flag, "false", exported=False),
    Variable("WAIT", _seconds, "0", exported=False),
    Variable("BASE", _lower(rules.one_of("refresh")), unset="bases as they are locked", exported=False),
)
"""Every variable, in the order in which people read them."""
