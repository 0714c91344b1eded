"""`doit settings`: every setting's value and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.commands.options import JSON, Reading, encoded, no_arguments
from tasks.composition import current
from tasks.configuration import settings
from tasks.configuration.faults import shown
from tasks.configuration.variables import NO_STACKS, VARIABLES

_UNSET = "-"


class Settings(Reading):
    """Prints the settings of a run that is given the same variables."""

    name = "settings"
    doc_purpose = "show every setting and where it comes from"
    doc_usage = "[VARIABLE=VALUE ...]"
    doc_description = "docs/settings.md describes the variables. What says (-) is asked of AWS or the catalogue later."

    cmd_options = ({**JSON, "help": "print one JSON object: {NAME: {value, origin}}"},)

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        no_arguments(pos_args, self.name)
        found = current().settings
        self.say(as_json(found) if json else as_table(found))
        return 0


def as_table(found: settings.Settings) -> str:
    """Return a line for each variable: name, value, origin."""
    rows = [(variable.name, _text(getattr(found, variable.field))) for variable in VARIABLES]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{name:<{names}}  {value:<{values}}  {found.origins[name]}".rstrip() + "\n" for name, value in rows)


def as_json(found: settings.Settings) -> str:
    """Return an object of `{value, origin}` by name; what has no value is null."""
    content = {
        variable.name: {"value": _plain(getattr(found, variable.field)), "origin": found.origins[variable.name]}
        for variable in VARIABLES
    }
    return encoded(content)


def _text(value: Any) -> str:
    match value:
        case None:
            text = _UNSET
        case bool():
            text = str(value).lower()
        case float():
            text = f"{value:g}"
        case Path():
            text = shown(value)
        case ():
            text = NO_STACKS
        case tuple():
            text = ",".join("=".join(item) if isinstance(item, tuple) else item for item in value)
        case _:
            text = str(value)
    return text


def _plain(value: Any) -> Any:
    match value:
        case Path():
            return str(value)
        case tuple() if value and isinstance(value[0], tuple):
            return dict(value)
    return value
