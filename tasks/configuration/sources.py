"""Where a setting comes from: what describes one setting, and the sources that can give its text.

The first source that has a text wins:

    1  doit's command line
    2  the instance.properties file that the command line names
    3  the sandbox, if it is the target
    4  the environment
    5  the instance.properties file that the environment names
    6  AWS's own environment variables, for the Region
    7  the sandbox again, if it is the target: for a variable that is empty on the command line
    8  the default

If the sandbox is the target, 4 to 6 do not say where images go: an INSTANCE_ID exported for a real account must not be
mixed with the sandbox. A variable that is empty on the command line goes straight to 7; one that is empty in the
environment is not set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import cached_property
from pathlib import Path

from tasks.configuration.faults import did_you_mean, shown
from tasks.configuration.sleeper_files import Property, read_properties
from tasks.configuration.values import Reader, read_path
from tasks.errors import SettingsError
from tasks.system.text import quoted


class Group(Enum):
    """What a setting is about; the value is its heading in docs/settings.md."""

    DESTINATION = "Where images go"
    CONTENT = "What is built"
    BUILD = "How it is built"
    RUN = "For one run"
    SANDBOX = "The sandbox"


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        group: what it is about. With the sandbox as the target, the environment does not give a setting of DESTINATION.
            A setting of RUN is for one run, so the environment never gives it.
        read: turns its text into its value.
        meaning: what it is, for the documentation.
        default: the text of its default; empty if it has none.
        unset: what takes the place of a value if nothing gives one; for a computed default, how it is computed.
        properties: the keys of instance.properties that give it, best first.
        empty: the text that an empty property stands for; if this is empty too, an empty property is not set.
        environment: more environment variables that give it, best first.
        name: its environment variable; on doit's command line in lower or upper case.
    """

    group: Group
    read: Reader
    meaning: str
    default: str = ""
    unset: str = ""
    properties: tuple[str, ...] = ()
    empty: str = ""
    environment: tuple[str, ...] = ()
    name: str = ""

    @property
    def field(self) -> str:
        """The field of `Settings` that has its value."""
        return self.name.lower()


class Rank(IntEnum):
    """The sources, best first."""

    COMMAND_LINE = 1
    COMMAND_LINE_PROPERTIES = 2
    SANDBOX = 3
    ENVIRONMENT = 4
    ENVIRONMENT_PROPERTIES = 5
    AWS_ENVIRONMENT = 6
    SANDBOX_AGAIN = 7
    DEFAULT = 8


@dataclass(frozen=True)
class Found:
    """A setting's text and its source.

    Attributes:
        text: the text; None if no source has one.
        directory: where a relative path in the text starts.
    """

    text: str | None
    origin: str
    rank: Rank
    directory: Path

    @property
    def chosen(self) -> bool:
        """Whether somebody set it for this program; False for a default."""
        return self.text is not None and self.rank < Rank.AWS_ENVIRONMENT


@dataclass(frozen=True)
class _File:
    path: Path
    properties: Mapping[str, Property]


@dataclass(frozen=True)
class Sources:
    """Everything that can give a setting its text.

    Attributes:
        directory: where relative paths of defaults start.
        initial_directory: where relative paths from people start.
        supplied: text and origin by name from the sandbox; empty if it is not the target.
    """

    settings: Mapping[str, Setting]
    command_line: Mapping[str, str]
    environment: Mapping[str, str]
    directory: Path
    initial_directory: Path
    supplied: Mapping[str, tuple[str, str]]

    def find(self, name: str) -> Found:
        """Return a setting's text from the best source that has one."""
        for rank, candidate in self._candidates(name):
            if candidate is not None:
                text, origin = candidate
                return Found(text, origin, rank, self.directory if rank is Rank.DEFAULT else self.initial_directory)
        return Found(None, self.settings[name].unset or "not set", Rank.DEFAULT, self.directory)

    def at(self, name: str, rank: Rank) -> str | None:
        """Return the text from one source, or None if it has none."""
        candidate = dict(self._candidates(name)).get(rank)
        return candidate and candidate[0]

    def _candidates(self, name: str) -> Iterator[tuple[Rank, tuple[str, str] | None]]:
        """Yield each source that can give the setting, with the text and the origin that it gives."""
        setting = self.settings[name]
        cleared = not self.command_line.get(name, "anything").strip()
        if not cleared:
            yield Rank.COMMAND_LINE, _given(self.command_line, name, "command line")
            yield Rank.COMMAND_LINE_PROPERTIES, _from_properties(self._named_on_command_line, setting)
            yield Rank.SANDBOX, self.supplied.get(name)
        if not cleared and not (self._to_sandbox and setting.group is Group.DESTINATION):
            if setting.group is not Group.RUN:
                yield Rank.ENVIRONMENT, self._from_environment(name)
            yield Rank.ENVIRONMENT_PROPERTIES, _from_properties(self._named_in_environment, setting)
            yield Rank.AWS_ENVIRONMENT, self._from_environment(*setting.environment)
        yield Rank.SANDBOX_AGAIN, self.supplied.get(name)
        yield Rank.DEFAULT, (setting.default, "default") if setting.default else None

    def _from_environment(self, *names: str) -> tuple[str, str] | None:
        given = (_given(self.environment, name, f"environment variable {name}") for name in names)
        return next((one for one in given if one), None)

    @property
    def _to_sandbox(self) -> bool:
        return self.command_line.get("TARGET", "").strip().lower() == "sandbox"

    @cached_property
    def _named_on_command_line(self) -> _File | None:
        return self._properties(self.command_line)

    @cached_property
    def _named_in_environment(self) -> _File | None:
        # Not read if the sandbox is the target, or if the command line names another file.
        if self._to_sandbox or "INSTANCE_PROPERTIES" in self.command_line:
            return None
        return self._properties(self.environment)

    def _properties(self, named: Mapping[str, str]) -> _File | None:
        text = named.get("INSTANCE_PROPERTIES", "").strip()
        if not text:
            return None
        try:
            found = read_path(text, self.initial_directory)
        except ValueError as fault:
            raise SettingsError(f"INSTANCE_PROPERTIES={quoted(text)}: {fault}", "use the file's full path") from None
        return _File(found, read_properties(found))


def command_line(
    variables: Mapping[str, str], settings: Mapping[str, Setting], known_extra: Collection[str]
) -> dict[str, str]:
    """Return the variables of doit's command line, by name in upper case.

    Args:
        variables: `name=value`, in either case.
        settings: the settings that they can give, by name.
        known_extra: more known variables, in upper case; they are left out of the result.

    Raises:
        SettingsError: a variable is unknown, or has two values, one in each case.
    """
    known = [setting.field for setting in settings.values()]
    extra = {name.lower() for name in known_extra}
    given: dict[str, str] = {}
    faults = []
    for name, value in variables.items():
        if name.lower() in extra:
            continue
        if name.lower() not in known or name not in {name.lower(), name.upper()}:
            faults.append(f"unknown variable {quoted(name)}{did_you_mean(name, [*known, *extra])}")
        elif given.get(name.upper(), value) != value:
            faults.append(f"{name.lower()} and {name.upper()} have different values on the command line")
        else:
            given[name.upper()] = value
    if faults:
        raise SettingsError("\n".join(faults), "`doit settings` lists the variables; docs/settings.md describes them")
    return given


def _given(texts: Mapping[str, str], name: str, origin: str) -> tuple[str, str] | None:
    return (texts[name], origin) if texts.get(name, "").strip() else None


def _from_properties(file: _File | None, setting: Setting) -> tuple[str, str] | None:
    """Return the text and the origin from the first of the setting's keys that the file has."""
    if file is None:
        return None
    for key in setting.properties:
        found = file.properties.get(key)
        if found is None:
            continue
        origin = f"{key} in {shown(file.path)}:{found.line}"
        if found.value.strip():
            return found.value, origin
        if setting.empty:
            return setting.empty, origin
    return None
