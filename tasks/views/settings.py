"""The settings of a run, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.configuration.faults import shown
from tasks.configuration.variables import NO_STACKS, VARIABLES

if TYPE_CHECKING:
    from tasks.configuration.settings import Settings

_UNSET = "-"


def as_text(found: Settings) -> str:
    """Return a line for each variable: name, value, origin."""
    rows = [(variable.name, _text(getattr(found, variable.field))) for variable in VARIABLES]
    names, values = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "".join(f"{name:<{names}}  {value:<{values}}  {found.origins[name]}".rstrip() + "\n" for name, value in rows)


def as_object(found: Settings) -> dict[str, Any]:
    """Return an object of `{value, origin}` by name; what has no value is null."""
    return {
        variable.name: {"value": _plain(getattr(found, variable.field)), "origin": found.origins[variable.name]}
        for variable in VARIABLES
    }


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
