"""What is written from the rows: the tables of docs/settings.md and docs/catalogue.md, and catalogue/schema.json.

test_documents.py compares the files, and writes them with
`GOLDEN=write ./doitw test tests/configuration/test_documents.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from tasks.configuration.catalogue import BUILDER_KEYS, IMAGE_KEYS, KEYS, NODE_KEYS
from tasks.configuration.settings import SETTINGS
from tasks.configuration.sources import Group, Setting
from tasks.configuration.yaml_nodes import Key, schema_of
from tasks.model import Kind

_BLOCK = re.compile(r"(<!-- table: (.+?) \(.*?\) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted(SETTINGS, key=len, reverse=True))})\b[/\w.]*")


def written(page: str) -> str:
    """Return a Markdown page with the tables between its markers written anew; KeyError for an unknown table.

    A table is between `<!-- table: NAME (…) -->` and `<!-- end of table -->`.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}{TABLES[block[2]]()}{block[3]}", page)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a catalogue, for editors."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A catalogue of Sleeper's images",
        "description": "docs/catalogue.md describes it. Written from the rows in tasks/configuration/catalogue.py.",
        **schema_of(KEYS),
        "anyOf": [{"required": ["deployments"]}, {"required": ["lambdas"]}],
    }


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def _default(setting: Setting) -> str:
    if setting.default and not setting.unset:
        return f"`{setting.default}`"
    return ", else ".join([*(f"`{name}`" for name in setting.environment), _NAMES.sub(r"`\g<0>`", setting.unset)])


def _settings(group: Group) -> str:
    rows = [
        (f"`{setting.name}`", setting.meaning, _default(setting))
        for setting in SETTINGS.values()
        if setting.group is group
    ]
    return _table(("setting", "meaning", "default"), rows)


def _properties() -> str:
    rows = [
        (", else ".join(f"`{key}`" for key in setting.properties), f"`{setting.name}`")
        for setting in SETTINGS.values()
        if setting.properties
    ]
    return _table(("property", "setting"), rows)


def _keys(keys: Sequence[Key]) -> str:
    rows = [(f"`{key.name}`", key.meaning, "required" if key.required else key.default) for key in keys]
    return _table(("key", "meaning", "default"), rows)


def _image_keys() -> str:
    rows = [
        (
            f"`{key.name}`",
            "both" if len(key.kinds) == len(Kind) else key.kinds[0].value,
            key.meaning,
            "required" if key.required else key.default,
        )
        for key in IMAGE_KEYS
    ]
    return _table(("key", "of", "meaning", "default"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    **{group.value: partial(_settings, group) for group in Group},
    "properties": _properties,
    "catalogue": partial(_keys, KEYS),
    "image": _image_keys,
    "builder": partial(_keys, BUILDER_KEYS),
    "node": partial(_keys, NODE_KEYS),
}
"""How each table is written, by the name in its marker."""
