"""`doit settings`: the value of every setting, and where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.commands.command import JSON, Reading, encoded, no_arguments
from tasks.commands.table import aligned
from tasks.configuration import settings
from tasks.configuration.faults import shown
from tasks.configuration.settings import SETTINGS
from tasks.configuration.values import NO_STACKS
from tasks.graph.load import current


class Settings(Reading):
    """Prints the settings that a run with the same variables would use."""

    name = "settings"
    doc_purpose = "show every setting and where it comes from"
    doc_usage = "[VARIABLE=VALUE ...]"
    doc_description = "docs/settings.md describes the settings. A setting without a value is shown as '-'."

    cmd_options = ({**JSON, "help": "print one JSON object: {NAME: {value, origin}}"},)

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        no_arguments(pos_args, self.name)
        found = current().settings
        self.say(encoded(as_object(found)) if json else as_text(found))
        return 0


def as_text(found: settings.Settings) -> str:
    """Return a line for each setting: name, value, origin."""
    rows = [(name, _text(getattr(found, setting.field)), found.origins[name]) for name, setting in SETTINGS.items()]
    return "".join(f"{line}\n" for line in aligned(rows))


def as_object(found: settings.Settings) -> dict[str, Any]:
    """Return `{value, origin}` by name; the value of a setting without one is null."""
    return {
        name: {"value": _plain(getattr(found, setting.field)), "origin": found.origins[name]}
        for name, setting in SETTINGS.items()
    }


def _text(value: Any) -> str:
    match value:
        case None:
            text = "-"
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
