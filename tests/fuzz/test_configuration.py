"""What people write: catalogues, their locks, instance.properties, settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import bases, catalogue, settings, sleeper_files, values
from tests.fuzz.cases import JSON, fuzz, mutated, replaced, survives

CHECKOUT = Path(__file__).resolve().parents[2]
CATALOGUE = (CHECKOUT / "catalogue" / "sleeper.yaml").read_bytes()
DOCUMENT = {
    "schema": 1,
    "stacks": ["AStack"],
    "platforms": ["linux/amd64"],
    "builder": {"name": "b", "driver": "docker", "options": {"a": "b"}, "nodes": [{"endpoint": "x", "name": "n"}]},
    "deployments": [{"name": "a", "stacks": ["AStack"], "build_args": {"A": "b"}, "multiplatform": True}],
    "lambdas": [{"name": "b", "jar": "b-<version>.jar", "always_docker": True, "revision": "1"}],
}
YAML = [
    b"a: &x [1]\nb: *x\n",
    b"!!python/object:os.system x\n",
    b"%YAML 99999999999999.1\n---\n",
    b"a: |\n  b\n",
    b"? a\n: b\n",
]
PROPERTIES = (
    b"# comment\nsleeper.id=mine\nsleeper.region : eu-west-2\na\\ b=c\\\n  d\\u0041\n! x\n\nkey",
    b"a=\\ud83d\\ude00\n",
)
LOCK = b"# a\nubuntu:24.04 sha256:" + b"0" * 64 + b"\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


@fuzz
@given(content=mutated([CATALOGUE, CATALOGUE[:600], json.dumps(DOCUMENT).encode(), *YAML]))
def test_catalogues_after_accidents(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    survives(lambda: catalogue.load(path))


@fuzz
@given(seed=st.integers(0), value=JSON)
def test_catalogues_with_a_part_that_is_something_else(path: Path, seed: int, value: object) -> None:
    path.write_text(json.dumps(replaced(DOCUMENT, seed, value)))
    survives(lambda: catalogue.load(path))


@fuzz
@given(content=st.binary(max_size=400))
def test_catalogues_of_any_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    survives(lambda: catalogue.load(path))


@fuzz
@given(content=mutated([LOCK, LOCK * 3]) | st.binary(max_size=200))
def test_locks(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    survives(lambda: bases.read(path))


@fuzz
@given(content=mutated(PROPERTIES) | st.binary(max_size=200))
def test_properties(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    survives(lambda: sleeper_files.read_properties(path))


NAMES = [
    "SCRIPTS_DIR",
    "INSTANCE_ID",
    "ACCOUNT",
    "REGION",
    "DOCKER_REGISTRY",
    "REPO_PREFIX",
    "REGISTRY",
    "VERSION",
    "INSTANCE_PROPERTIES",
    "STACKS",
    "LAMBDA_DEPLOY_TYPE",
    "PLATFORM",
    "IMAGES",
    "CATALOGUE",
    "BUILDER",
    "PARALLEL",
]
TEXTS = st.text(max_size=30) | st.sampled_from(
    ["1" * 5000, "http://x", "[::1]:5000", "a/b", "..", "~nobody-at-all/x", "/" * 300]
)


@fuzz
@given(given_=st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4), outer=st.booleans())
def test_settings(path: Path, given_: dict[str, str], *, outer: bool) -> None:
    def load() -> None:
        found = settings.load(
            {} if outer else {name.lower(): text for name, text in given_.items()},
            given_ if outer else {},
            CHECKOUT,
            initial_directory=path.parent,
        )
        found.require_destination()
        _ = found.registry_host, found.repository_prefix, found.registry_kind

    survives(load)


@fuzz
@given(text=st.text(max_size=60))
def test_rules(text: str) -> None:
    for rule in (
        values.image,
        values.repository_prefix,
        values.directory,
        values.jar,
        values.endpoint,
        values.platform,
    ):
        assert isinstance(rule(text), str | None)
