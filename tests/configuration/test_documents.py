from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml
from fastjsonschema import JsonSchemaValueException

from tasks.configuration.catalogue import BUILDER_KEYS, IMAGE_KEYS, KEYS, NODE_KEYS
from tasks.configuration.settings import SETTINGS
from tests.configuration import documents

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "docs" / "settings.md", CHECKOUT / "docs" / "catalogue.md"]
SCHEMA = CHECKOUT / "catalogue" / "schema.json"
VALIDATE = fastjsonschema.compile(documents.schema())
KEY = re.compile(r"^\| `([A-Za-z_]+)` \|", re.MULTILINE)


def check(path: Path, expected: str) -> None:
    if os.environ.get("GOLDEN") == "write":
        path.write_text(expected)
    assert path.read_text() == expected, "GOLDEN=write ./doitw test tests/configuration/test_documents.py writes it"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_a_page_are_written_from_the_rows(page: Path) -> None:
    check(page, documents.written(page.read_text()))


def test_the_schema_is_written_from_the_rows() -> None:
    check(SCHEMA, json.dumps(documents.schema(), indent=2) + "\n")


def test_every_setting_is_in_one_table_of_its_page() -> None:
    assert sorted(KEY.findall(PAGES[0].read_text())) == sorted(SETTINGS)


def test_every_key_of_the_catalogue_is_in_a_table_of_its_page() -> None:
    keys = [key.name for key in (*KEYS, *IMAGE_KEYS, *BUILDER_KEYS, *NODE_KEYS)]
    assert sorted(KEY.findall(PAGES[1].read_text())) == sorted(keys)


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(KeyError):
        documents.written("<!-- table: x (y) -->\n<!-- end of table -->")


def catalogue(**entry: Any) -> Any:
    content = yaml.safe_load((CHECKOUT / "catalogue" / "sleeper.yaml").read_text())
    content["deployments"][0].update(entry)
    return content


@pytest.mark.parametrize("entry", [{}, {"build_args": {"A": 1.5}}, {"stacks": ["IngestStack"]}, {"revision": "x"}])
def test_the_schema_accepts_a_catalogue(entry: dict[str, Any]) -> None:
    VALIDATE(catalogue(**entry))


@pytest.mark.parametrize(
    "entry", [{"name": "A"}, {"jar": "a-<version>.jar"}, {"stacks": [1]}, {"multiplatform": "no"}, {"stak": "x"}]
)
def test_the_schema_does_not_accept_a_fault(entry: dict[str, Any]) -> None:
    with pytest.raises(JsonSchemaValueException):
        VALIDATE(catalogue(**entry))
