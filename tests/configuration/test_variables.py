from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.configuration import platforms
from tasks.configuration.variables import VARIABLES
from tests.configuration.loading import load, refusal


def test_stacks_can_be_none(tmp_path: Path) -> None:
    assert load(tmp_path, {"stacks": "none"}).stacks == ()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("instance_id", "Mine"),
        ("instance_id", "-mine"),
        ("instance_id", "mine$(id)"),
        ("instance_id", "my instance"),
        ("instance_id", "mine\nyours"),
        ("instance_id", 'mine"'),
        ("instance_id", "../mine"),
        ("account", "12345678901"),
        ("account", "12345678901x"),
        ("region", "eu-west"),
        ("region", "-eu-west-2"),
        ("docker_registry", "https://127.0.0.1:5000"),
        ("docker_registry", "-x"),
        ("docker_registry", "a b"),
        ("repo_prefix", "127.0.0.1:5000"),
        ("repo_prefix", "127.0.0.1:5000/"),
        ("repo_prefix", "a.example/-x"),
        ("registry", "docker"),
        ("version", "-1"),
        ("version", "1.0 beta"),
        ("version", "1/0"),
        ("platform", "amd64"),
        ("platform", "linux/aarch64"),
        ("stacks", "Ingest Stack"),
        ("stacks", ","),
        ("images", "-x"),
        ("images", "$(id)"),
        ("lambda_deploy_type", "zip"),
        ("builder", "-x"),
        ("builder_driver", "containerd"),
        ("builder_options", "network"),
        ("builder_options", "-o=x"),
        ("aws_endpoint_url", "127.0.0.1:1"),
        ("aws_endpoint_url", "http://user:secret@127.0.0.1:1"),
        ("parallel", "0"),
        ("parallel", "many"),
        ("wait", "-1"),
        ("force", "perhaps"),
        ("base", "refrseh"),
        ("target", "sandbx"),
        ("scripts_dir", "a\x00b"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_name_and_origin(tmp_path: Path, variable: str, text: str) -> None:
    shown = text.replace("user:secret", "***")
    message = refusal(tmp_path, {variable: text}).message
    assert message.startswith(f"{variable.upper()}={shown!r} (command line) ")
    assert "\n" not in message


def test_a_suggestion_ends_the_fault_of_a_mistyped_word(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"target": "sandbx"}).message.endswith("did you mean 'sandbox'?")


@pytest.mark.parametrize("name", ["instance_properties", "builder_config"])
def test_a_file_that_is_named_and_not_there_is_refused(tmp_path: Path, name: str) -> None:
    assert "absent" in refusal(tmp_path, {name: "absent"}).message


def test_native_is_this_machines_platform(tmp_path: Path) -> None:
    assert load(tmp_path, {"platform": "native"}).platform == platforms.native()


def test_a_path_is_shown_without_detours(tmp_path: Path) -> None:
    found = load(tmp_path, {"scripts_dir": "../sleeper/scripts"}, initial_directory=tmp_path / "images")
    assert found.scripts_dir == tmp_path / "sleeper" / "scripts"


def test_a_detour_by_way_of_a_link_is_taken_as_the_file_system_takes_it(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to("far/away")
    found = load(tmp_path, {"scripts_dir": "link/../scripts"})
    assert found.scripts_dir.resolve() == tmp_path / "far" / "scripts"


DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_every_variable_has_a_row_in_the_document() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    ports = {"SANDBOX_REGISTRY_PORT", "SANDBOX_API_PORT"}
    assert sorted({variable.name for variable in VARIABLES} | ports) == sorted(documented)


def test_every_property_that_is_read_is_in_the_document() -> None:
    documented = set(re.findall(r"`(sleeper\.[a-z.]+)`", DOCUMENT.read_text())) - {"sleeper.version"}
    assert {key for variable in VARIABLES for key in variable.properties} == documented
