from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.configuration import settings
from tasks.configuration.settings import SETTINGS, Settings
from tasks.errors import SettingsError
from tasks.model import Builder, BuilderNode
from tests.configuration.loading import load, refusal

ECR = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"


def build(directory: Path, version: str = "0.36.0") -> Path:
    scripts = directory / "scripts"
    (scripts / "docker").mkdir(parents=True)
    (scripts / "templates").mkdir()
    (scripts / "templates" / "version.txt").write_text(version)
    return scripts


def test_without_anything_set_every_setting_has_its_default(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found.scripts_dir == tmp_path / "scripts"
    assert found.catalogue == tmp_path / "catalogue" / "sleeper.yaml"
    assert found.state_dir == tmp_path / ".sleeper-images"
    assert found.sandbox_dir == tmp_path / ".sandbox"
    assert (found.registry, found.lambda_deploy_type, found.platform) == ("auto", "container", "linux/amd64")
    assert (found.stacks, found.images, found.version, found.instance_id, found.target) == (None,) * 5
    assert (found.force, found.wait, found.base) == (False, 0, None)
    assert 2 <= found.parallel <= 8


def test_every_setting_knows_where_it_comes_from(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert set(found.origins) == set(SETTINGS)
    assert all(found.origins.values())


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "ecr"),
        ({"docker_registry": ECR}, "ecr"),
        ({"docker_registry": "127.0.0.1:5000"}, "oci"),
        ({"docker_registry": "127.0.0.1:5000", "aws_endpoint_url": "http://127.0.0.1:1"}, "ecr"),
        ({"docker_registry": "127.0.0.1:5000", "aws_endpoint_url_ecr": "http://127.0.0.1:1"}, "ecr"),
        ({"docker_registry": "api.example", "aws_endpoint_url": "https://api.example:1"}, "ecr"),
        ({"docker_registry": "1.ecr.api.example:2", "aws_endpoint_url": "https://api.example:1"}, "ecr"),
        ({"docker_registry": "ghcr.io", "aws_endpoint_url": "http://127.0.0.1:1"}, "oci"),
        ({"docker_registry": "notapi.example", "aws_endpoint_url": "https://api.example:1"}, "oci"),
        ({"docker_registry": ECR, "registry": "oci"}, "oci"),
        ({"docker_registry": "ghcr.io", "registry": "ECR"}, "ecr"),
    ],
)
def test_the_kind_of_registry_follows_from_host_and_endpoint(tmp_path: Path, given: dict[str, str], kind: str) -> None:
    assert load(tmp_path, given).registry_kind == kind


def test_a_setting_can_be_none_only_without_a_default() -> None:
    hints = get_type_hints(Settings)
    assert {name for name, row in SETTINGS.items() if row.default} == {
        name for name, row in SETTINGS.items() if type(None) not in get_args(hints[row.field])
    }


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"account": "1"}, {"REGION": "x", "VERSION": "-"}).message
    assert [line.partition("=")[0] for line in message.splitlines()] == ["ACCOUNT", "REGION", "VERSION"]


def test_an_unknown_variable_of_the_environment_is_nobodys_business(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"STACK": "x", "INSTANCEID": "y"}) == load(tmp_path)


def test_the_version_is_the_first_line_of_sleepers_version_file(tmp_path: Path) -> None:
    scripts = build(tmp_path, " 0.36.0-SNAPSHOT \r\nnot this\n")
    found = load(tmp_path)
    assert (found.version, found.origins["VERSION"]) == ("0.36.0-SNAPSHOT", str(scripts / "templates/version.txt"))


def test_version_wins_over_the_version_file(tmp_path: Path) -> None:
    build(tmp_path)
    assert load(tmp_path, environment={"VERSION": "1.2"}).version == "1.2"


def test_a_state_directory_that_images_are_built_from_is_refused(tmp_path: Path) -> None:
    scripts = build(tmp_path)
    for place in (scripts / "docker", scripts / "docker" / "ingest" / "state"):
        with pytest.raises(SettingsError, match="images are built from this directory"):
            load(tmp_path, {"state_dir": str(place)}).require_scripts_dir()
    assert load(tmp_path, {"state_dir": str(scripts / "state")}).require_scripts_dir() == scripts


def test_a_malformed_version_file_fails_only_what_needs_a_version(tmp_path: Path) -> None:
    build(tmp_path, "1.0 beta\n")
    found = load(tmp_path)
    assert "cannot be a tag" in found.origins["VERSION"]
    with pytest.raises(SettingsError, match=r"version\.txt:1: '1\.0 beta' cannot be a tag"):
        found.require_version()


def test_neither_the_version_file_nor_version_gives_a_tag_that_means_something_else(tmp_path: Path) -> None:
    build(tmp_path, "building\n")
    with pytest.raises(SettingsError, match=r"version\.txt:1: 'building' cannot be the version tag"):
        load(tmp_path).require_version()
    assert "VERSION='inputs-1' (command line)" in refusal(tmp_path, {"version": "inputs-1"}).message


def test_a_push_without_settings_says_everything_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path).require_destination()
    for needed in ("INSTANCE_ID", "SCRIPTS_DIR", "VERSION", "Maven build", "./doitw sandbox push_all"):
        assert needed in str(caught.value)
    assert len(str(caught.value).splitlines()) < 24


def test_a_push_with_everything_set_is_let_through(tmp_path: Path) -> None:
    build(tmp_path)
    load(tmp_path, {"instance_id": "mine"}).require_destination()


def test_a_plain_registry_must_be_named(tmp_path: Path) -> None:
    build(tmp_path)
    with pytest.raises(SettingsError, match="DOCKER_REGISTRY is not set; REGISTRY=oci"):
        load(tmp_path, {"instance_id": "mine", "registry": "oci"}).require_destination()


def test_a_scripts_directory_that_was_not_built_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    with pytest.raises(SettingsError, match="scripts/docker does not exist") as caught:
        load(tmp_path).require_scripts_dir()
    assert "Maven build" in caught.value.next_step


def test_an_endpoint_on_the_command_line_reaches_aws_clients(tmp_path: Path) -> None:
    environment = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    found = load(tmp_path, {"aws_endpoint_url": "http://127.0.0.1:1"}, environment)
    expected = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert expected == found.aws_environment(environment)


def test_the_builder_is_the_catalogues_unless_a_variable_says_otherwise(tmp_path: Path) -> None:
    described = Builder("sleeper", options=(("image", "x"), ("network", "none")), platforms=("linux/amd64",))
    assert load(tmp_path).builder_for(described) == described
    found = load(tmp_path, {"builder": "mine", "builder_options": "network=host"}).builder_for(described)
    assert found == Builder("mine", options=(("image", "x"), ("network", "host")), platforms=("linux/amd64",))


def test_another_driver_starts_without_the_catalogues_options_and_nodes(tmp_path: Path) -> None:
    described = Builder("sleeper", "kubernetes", (("namespace", "x"),), ("linux/amd64",), nodes=(BuilderNode("a"),))
    found = load(tmp_path, {"builder_driver": "docker"}).builder_for(described)
    assert found == Builder("sleeper", "docker", platforms=("linux/amd64",))


NAMES = list(SETTINGS)


@given(st.dictionaries(st.sampled_from([*NAMES, *map(str.lower, NAMES), "x"]), st.text(max_size=30)))
@example({"instance_properties": "~nobody/x"})
@example({"instance_properties": "a\x00b"})
@example({"catalogue": "~nobody/x", "scripts_dir": "~nobody"})
@example({"catalogue": "x" * 5000, "builder_config": "x" * 5000, "instance_properties": "x" * 5000})
@example({"scripts_dir": "x" * 5000})
@example({"parallel": "²", "wait": "²"})
def test_any_command_line_gives_settings_or_a_settings_error(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    directory = tmp_path_factory.getbasetemp()
    try:
        found = settings.load(variables, {}, directory)
    except SettingsError:
        return
    assert found.instance_id is None or (found.instance_id[0] != "-" and found.instance_id.isprintable())


@pytest.mark.parametrize(
    ("said", "as_is"),
    [
        ({"builder": "corp"}, True),
        ({}, False),
        ({"builder": "corp", "builder_driver": "remote"}, False),
        ({"builder": "corp", "builder_options": "network=host"}, False),
    ],
)
def test_a_builder_of_which_only_the_name_is_said_may_be_any(
    tmp_path: Path, said: dict[str, str], *, as_is: bool
) -> None:
    assert load(tmp_path, said).builder_for(Builder("sleeper")).as_is == as_is
