"""What doitw installs: each package pinned with the hashes of its files, and no index named."""

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
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
FOR_A_PUSH = [*PYPROJECT["project"]["dependencies"], *EXTRAS["install"], *PYPROJECT["build-system"]["requires"]]
WANTED = {venv.LOCK: FOR_A_PUSH, venv.DEVELOPMENT_LOCK: [*FOR_A_PUSH, *EXTRAS["dev"]]}


def entries(lock: str) -> list[str]:
    text = re.sub(r"^#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return re.split(r"\n(?=[^\s#])", text.strip())


def pins(lock: str) -> list[Requirement]:
    return [Requirement(entry.split("\\")[0].strip()) for entry in entries(lock)]


@pytest.mark.parametrize(("lock", "text"), [(lock, text) for lock, texts in WANTED.items() for text in texts])
def test_each_dependency_is_pinned_to_a_version_that_fits(lock: str, text: str) -> None:
    wanted = Requirement(text)
    found = [pin for pin in pins(lock) if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]

    assert found, f"{wanted} is not in {lock}"
    for pin in found:
        (version,) = pin.specifier
        assert version.operator == "=="
        assert wanted.specifier.contains(version.version)


def test_both_files_pin_the_same_versions() -> None:
    assert set(entries(venv.LOCK)) <= set(entries(venv.DEVELOPMENT_LOCK))


@pytest.mark.parametrize("name", ["moto", "flask", "pytest", "mypy", "ruff", "cryptography"])
def test_a_push_does_not_install_what_only_tests_need(name: str) -> None:
    assert name not in {pin.name for pin in pins(venv.LOCK)}
    assert name in {pin.name for pin in pins(venv.DEVELOPMENT_LOCK)}


@pytest.mark.parametrize("lock", WANTED)
def test_each_pin_is_a_name_a_version_and_hashes(lock: str) -> None:
    for entry in entries(lock):
        assert re.fullmatch(
            r"[a-z0-9-]+==[a-z0-9.]+( ; [A-Za-z0-9_=!'. ()]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+",
            entry,
        ), entry


@pytest.mark.parametrize("lock", WANTED)
def test_no_address_is_named(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()
