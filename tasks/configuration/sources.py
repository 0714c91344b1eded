"""Where a setting's text comes from.

The first of these that has one gives it:

    1  doit's command line
    2  the instance.properties file that is named there
    3  the sandbox, where it is the target
    4  the environment
    5  the instance.properties file that is named there
    6  AWS's own environment variables, for the Region
    7  the sandbox again, where it is the target: for a variable that is empty on the command line
    8  the default

With the sandbox as the target, 4 to 6 give nothing that says where images go: an INSTANCE_ID exported for a real
account must not be mixed with the sandbox. A variable that is empty on the command line goes straight to 7; one that is
empty in the environment is not set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path

from tasks.configuration import properties
from tasks.configuration.faults import shown
from tasks.configuration.properties import Property
from tasks.configuration.suggest import did_you_mean
from tasks.configuration.variables import NO_STACKS, VARIABLES, Variable, path
from tasks.errors import SettingsError
from tasks.system.text import quoted


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
    """A variable's text.

    Attributes:
        text: the text; None where nothing gives one.
        origin: where it comes from, for people.
        rank: which source it is.
        directory: where a relative path in it starts.
    """

    text: str | None
    origin: str
    rank: Rank
    directory: Path

    @property
    def chosen(self) -> bool:
        """Whether somebody set it for this program, rather than it being a default."""
        return self.text is not None and self.rank < Rank.AWS_ENVIRONMENT


@dataclass(frozen=True)
class _File:
    path: Path
    properties: Mapping[str, Property]


_AROUND = frozenset({Rank.ENVIRONMENT, Rank.ENVIRONMENT_PROPERTIES, Rank.AWS_ENVIRONMENT})


@dataclass(frozen=True)
class Sources:
    """All that can give a setting its text.

    Attributes:
        command_line: doit's variables, by their names in capitals.
        environment: the environment.
        directory: where relative paths of defaults start.
        initial_directory: where relative paths that people give start.
        supplied: what the sandbox supplies, nothing where it is not the target: text and origin by name.
    """

    command_line: Mapping[str, str]
    environment: Mapping[str, str]
    directory: Path
    initial_directory: Path
    supplied: Mapping[str, tuple[str, str]]

    def find(self, variable: Variable) -> Found:
        """Return the variable's text from the best source that has one."""
        for rank in Rank:
            candidate = self._candidate(variable, rank)
            if candidate is not None:
                text, origin = candidate
                return Found(text, origin, rank, self.directory if rank is Rank.DEFAULT else self.initial_directory)
        return Found(None, variable.unset, Rank.DEFAULT, self.directory)

    def at(self, variable: Variable, rank: Rank) -> str | None:
        """Return the text that one source gives, or None."""
        candidate = self._candidate(variable, rank)
        return None if candidate is None else candidate[0]

    def _candidate(self, variable: Variable, rank: Rank) -> tuple[str, str] | None:
        cleared = not self.command_line.get(variable.name, "anything").strip()
        around = self._to_sandbox and variable.destination and rank in _AROUND
        return None if around or (cleared and rank < Rank.SANDBOX_AGAIN) else self._text_at(variable, rank)

    def _text_at(self, variable: Variable, rank: Rank) -> tuple[str, str] | None:
        name = variable.name
        found: tuple[str, str] | None = None
        match rank:
            case Rank.COMMAND_LINE:
                found = _given(self.command_line, name, "command line")
            case Rank.COMMAND_LINE_PROPERTIES:
                found = _property(self._named_on_command_line, variable)
            case Rank.SANDBOX if self._to_sandbox:
                found = self.supplied.get(name)
            case Rank.ENVIRONMENT if variable.exported:
                found = _given(self.environment, name, f"environment variable {name}")
            case Rank.ENVIRONMENT_PROPERTIES:
                found = _property(self._named_in_environment, variable)
            case Rank.AWS_ENVIRONMENT:
                others = (
                    _given(self.environment, each, f"environment variable {each}") for each in variable.environment
                )
                found = next((other for other in others if other), None)
            case Rank.SANDBOX_AGAIN:
                found = self.supplied.get(name)
            case Rank.DEFAULT if variable.default:
                found = variable.default, "default"
        return found

    @property
    def _to_sandbox(self) -> bool:
        return self.command_line.get("TARGET", "").strip().lower() == "sandbox"

    @cached_property
    def _named_on_command_line(self) -> _File | None:
        return self._properties(self.command_line)

    @cached_property
    def _named_in_environment(self) -> _File | None:
        # Where the sandbox is the target, or another file is named on the command line, this one has nothing to say.
        if self._to_sandbox or "INSTANCE_PROPERTIES" in self.command_line:
            return None
        return self._properties(self.environment)

    def _properties(self, named: Mapping[str, str]) -> _File | None:
        text = named.get("INSTANCE_PROPERTIES", "").strip()
        if not text:
            return None
        try:
            found = path(text, self.initial_directory)
        except ValueError as fault:
            raise SettingsError(f"INSTANCE_PROPERTIES={quoted(text)} {fault}", "write the whole path") from None
        return _File(found, properties.read(found))


def command_line(variables: Mapping[str, str], known_extra: Collection[str]) -> dict[str, str]:
    """Return what doit's command line sets, by the names in capitals.

    Args:
        variables: `name=value`, in either case.
        known_extra: variables that others read, in capitals; they are left out.

    Raises:
        SettingsError: a variable is unknown, or is there in both cases with different values.
    """
    known = [variable.field for variable in VARIABLES]
    extra = {name.lower() for name in known_extra}
    given: dict[str, str] = {}
    faults = []
    for name, value in variables.items():
        if name.lower() in extra:
            continue
        if name.lower() not in known or name not in {name.lower(), name.upper()}:
            faults.append(f"there is no variable {quoted(name)}{did_you_mean(name, [*known, *extra])}")
        elif given.get(name.upper(), value) != value:
            faults.append(f"{name.lower()} and {name.upper()} are both on the command line, with different values")
        else:
            given[name.upper()] = value
    if faults:
        raise SettingsError("\n".join(faults), "`doit settings` lists every variable; docs/settings.md describes them")
    return given


def _given(texts: Mapping[str, str], name: str, origin: str) -> tuple[str, str] | None:
    return (texts[name], origin) if texts.get(name, "").strip() else None


def _property(file: _File | None, variable: Variable) -> tuple[str, str] | None:
    """Return the first of the variable's keys that the file has; Sleeper reads an empty list of stacks as none."""
    if file is None:
        return None
    for key in variable.properties:
        found = file.properties.get(key)
        if found is None:
            continue
        origin = f"{key} in {shown(file.path)}:{found.line}"
        if found.value.strip():
            return found.value, origin
        if variable.name == "STACKS":
            return NO_STACKS, origin
    return None
