"""requirements.lock: all that doitw installs, pinned, each package by its hashes, from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tasks import venv

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENTRIES = re.split(r"\n(?=[^\s#])", re.sub(r"^#.*\n", "", (ROOT / venv.LOCK).read_text(), flags=re.MULTILINE))
PINS = [Requirement(entry.split("\\")[0].strip()) for entry in ENTRIES]
WANTED = [
    *PYPROJECT["project"]["dependencies"],
    *PYPROJECT["project"]["optional-dependencies"]["dev"],
    *PYPROJECT["build-system"]["requires"],
]


@pytest.mark.parametrize("wanted", [Requirement(text) for text in WANTED], ids=lambda wanted: wanted.name)
def test_each_dependency_is_pinned_to_a_version_that_fits(wanted: Requirement) -> None:
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]

    assert pins, f"{wanted} is not in {venv.LOCK}"
    for pin in pins:
        (version,) = pin.specifier
        assert version.operator == "=="
        assert wanted.specifier.contains(version.version)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.split("==")[0])
def test_each_pin_is_a_name_a_version_and_hashes(entry: str) -> None:
    assert re.fullmatch(
        r"[a-z0-9-]+==[a-z0-9.]+( ; [A-Za-z0-9_=!'. ()]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n*",
        entry,
    ), entry


def test_no_address_is_named() -> None:
    assert "://" not in (ROOT / venv.LOCK).read_text()
