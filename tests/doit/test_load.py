from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import SettingsError
from tasks.graph.load import PROJECT, compose

REAL = {
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_PROFILE": "real",
    "AWS_REGION": "us-east-1",
    "INSTANCE_ID": "real",
    "DOCKER_REGISTRY": "210987654321.dkr.ecr.us-east-1.amazonaws.com",
}


@pytest.fixture(autouse=True)
def real_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have somebody's real account in the environment."""
    for name, text in REAL.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("SANDBOX_DIR", str(tmp_path / "sandbox"))
    monkeypatch.setenv("DOITW_CWD", str(tmp_path))


def test_what_a_run_starts_has_the_users_account() -> None:
    context = compose({})
    assert context.settings.instance_id == "real"
    assert {name: context.environment[name] for name in REAL} == REAL


def test_what_a_run_against_the_sandbox_starts_has_nothing_of_the_users_account() -> None:
    context = compose({"target": "sandbox"})
    settings = context.settings
    assert (settings.instance_id, settings.docker_registry) == ("sandbox", context.sandbox.docker_registry)
    assert context.environment["AWS_ACCESS_KEY_ID"] != "AKIAREAL"
    assert "AWS_PROFILE" not in context.environment
    assert settings.aws_environment(context.environment)["AWS_ENDPOINT_URL"] == context.sandbox.endpoint_url


@pytest.mark.parametrize("name", ["sandbox_registry_port", "SANDBOX_REGISTRY_PORT"])
def test_a_port_of_the_sandbox_on_the_command_line_wins_over_the_environments(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SANDBOX_REGISTRY_PORT", "5000")
    assert compose({}).sandbox.registry_port == 5000
    context = compose({name: "5001", "target": "sandbox"})
    assert context.settings.docker_registry == "127.0.0.1:5001"


def test_the_sandbox_has_its_own_builder_whatever_builder_is_exported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILDER", "corp")
    monkeypatch.setenv("BUILDER_DRIVER", "kubernetes")
    monkeypatch.setenv("BUILDER_OPTIONS", "namespace=buildkit")
    context = compose({"target": "sandbox"})
    builder = context.docker.builder
    assert (builder.name, builder.driver) == (context.sandbox.builder, "docker-container")
    assert builder.options == (("network", "host"),)


@pytest.mark.parametrize("name", ["builder_driver", "BUILDER_DRIVER"])
def test_the_sandboxs_options_are_not_for_another_driver_on_the_command_line(name: str) -> None:
    builder = compose({"target": "sandbox", name: "remote"}).docker.builder
    assert (builder.driver, builder.options) == ("remote", ())


def test_a_path_starts_where_people_called_us_and_a_default_in_the_project(tmp_path: Path) -> None:
    settings = compose({"scripts_dir": "scripts"}).settings
    assert settings.scripts_dir == tmp_path / "scripts"
    assert settings.state_dir == PROJECT / ".sleeper-images"


def test_an_unknown_variable_is_refused_with_a_suggestion_from_the_sandboxs_too() -> None:
    with pytest.raises(SettingsError, match=r"did you mean.*sandbox_api_port"):
        compose({"sandbox_api_prot": "5001"})
