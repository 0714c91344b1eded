from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks import platforms, settings
from tasks.errors import SettingsError
from tasks.model import Builder, BuilderNode
from tasks.reference import Registry
from tasks.settings import Settings
from tasks.variables import VARIABLES

ECR = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"
SANDBOX = {
    "INSTANCE_ID": ("sandbox", "the sandbox"),
    "ACCOUNT": ("123456789012", "the sandbox"),
    "REGION": ("eu-west-2", "the sandbox"),
    "DOCKER_REGISTRY": ("127.0.0.1:5000", "the sandbox"),
    "VERSION": ("1.0-sandbox", "the sandbox"),
    "BUILDER_OPTIONS": ("network=host", "the sandbox"),
    "AWS_ENDPOINT_URL": ("http://127.0.0.1:5001", "the sandbox"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path


def load(
    project: Path, variables: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None, **more: Any
) -> Settings:
    return settings.load(variables or {}, environment or {}, project, **more)


def refusal(project: Path, variables: Mapping[str, str], environment: Mapping[str, str] | None = None) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(project, variables, environment)
    assert caught.value.next_step
    return caught.value


def properties(project: Path, name: str, *lines: str) -> str:
    (project / name).write_text("\n".join(lines))
    return str(project / name)


def build(project: Path, version: str = "0.36.0") -> Path:
    scripts = project / "scripts"
    (scripts / "docker").mkdir(parents=True)
    (scripts / "templates").mkdir()
    (scripts / "templates" / "version.txt").write_text(version)
    return scripts


def test_without_anything_set_every_setting_has_its_default(project: Path) -> None:
    found = load(project)
    assert found.scripts_dir == project / "scripts"
    assert found.catalogue == project / "catalogue" / "sleeper.yaml"
    assert found.state_dir == project / ".sleeper-images"
    assert found.sandbox_dir == project / ".sandbox"
    assert (found.registry, found.lambda_deploy_type, found.platform) == ("auto", "container", "linux/amd64")
    assert (found.stacks, found.images, found.version, found.instance_id, found.target) == (None,) * 5
    assert (found.force, found.wait, found.base) == (False, 0, None)
    assert 2 <= found.parallel <= 4


def test_every_setting_knows_where_it_comes_from(project: Path) -> None:
    found = load(project)
    assert set(found.origins) == {variable.name for variable in VARIABLES}
    assert all(found.origins.values())


def test_the_environment_gives_a_setting(project: Path) -> None:
    found = load(project, environment={"INSTANCE_ID": "mine"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "environment variable INSTANCE_ID")


@pytest.mark.parametrize("name", ["instance_id", "INSTANCE_ID"])
def test_the_command_line_wins_over_the_environment_in_either_case(project: Path, name: str) -> None:
    found = load(project, {name: "mine"}, {"INSTANCE_ID": "other"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "command line")


def test_a_properties_file_on_the_command_line_wins_over_the_environment(project: Path) -> None:
    file = properties(project, "instance.properties", "# mine", "sleeper.id=filed")
    found = load(project, {"instance_properties": file}, {"INSTANCE_ID": "exported"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("filed", f"sleeper.id in {file}:2")


def test_the_environment_wins_over_a_properties_file_that_it_names(project: Path) -> None:
    file = properties(project, "instance.properties", "sleeper.id=filed", "sleeper.region=eu-west-1")
    found = load(project, environment={"INSTANCE_PROPERTIES": file, "INSTANCE_ID": "exported"})
    assert (found.instance_id, found.region) == ("exported", "eu-west-1")


def test_another_file_on_the_command_line_hides_the_one_that_the_environment_names(project: Path) -> None:
    mine = properties(project, "mine.properties", "sleeper.id=mine")
    other = properties(project, "other.properties", "sleeper.id=other", "sleeper.account=123456789012")
    found = load(project, {"instance_properties": mine}, {"INSTANCE_PROPERTIES": other})
    assert (found.instance_id, found.account) == ("mine", None)


def test_an_empty_variable_of_the_environment_is_not_set(project: Path) -> None:
    assert load(project, environment={"STACKS": "", "INSTANCE_ID": " "}).instance_id is None


def test_an_empty_variable_on_the_command_line_brings_the_default_back(project: Path) -> None:
    found = load(project, {"images": "", "platform": ""}, {"IMAGES": "ingest", "PLATFORM": "linux/arm64"})
    assert (found.images, found.platform) == (None, "linux/amd64")


def test_sleepers_properties_give_their_settings(project: Path) -> None:
    file = properties(
        project,
        "instance.properties",
        "sleeper.id=mine",
        "sleeper.account=123456789012",
        "sleeper.region=eu-west-2",
        "sleeper.ecr.repository.prefix=shared/images",
        "sleeper.optional.stacks=IngestStack, \\",
        "  QueryStack",
        "sleeper.lambda.deploy.type=JAR",
        "sleeper.version=0.1",
    )
    found = load(project, {"instance_properties": file})
    assert (found.instance_id, found.account, found.region) == ("mine", "123456789012", "eu-west-2")
    assert (found.repository_prefix, found.registry_host) == ("shared/images", None)
    assert (found.stacks, found.lambda_deploy_type) == (("IngestStack", "QueryStack"), "jar")
    assert found.version is None


def test_an_artefacts_deployment_names_the_repositories_as_in_sleeper(project: Path) -> None:
    file = properties(project, "instance.properties", "sleeper.id=mine", "sleeper.artefacts.deployment=shared")
    assert load(project, {"instance_properties": file}).repository_prefix == "shared"


def test_an_empty_list_of_stacks_in_sleepers_properties_means_none(project: Path) -> None:
    file = properties(project, "instance.properties", "sleeper.optional.stacks=")
    assert load(project, {"instance_properties": file}).stacks == ()


def test_stacks_can_be_none(project: Path) -> None:
    assert load(project, {"stacks": "none"}).stacks == ()


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_may_come_from_awss_own_variables(project: Path, name: str) -> None:
    found = load(project, environment={name: "eu-west-3"})
    assert (found.region, found.origins["REGION"]) == ("eu-west-3", f"environment variable {name}")


def test_region_wins_over_awss_own_variables(project: Path) -> None:
    assert load(project, environment={"AWS_REGION": "eu-west-3", "REGION": "eu-west-1"}).region == "eu-west-1"


def test_an_ecr_host_says_its_account_and_region(project: Path) -> None:
    found = load(project, {"docker_registry": ECR}, {"AWS_REGION": "us-east-1"})
    assert (found.account, found.region) == ("123456789012", "eu-west-2")
    assert found.origins["REGION"] == "the host in DOCKER_REGISTRY"


@pytest.mark.parametrize("given", [{"account": "210987654321"}, {"region": "us-east-1"}])
def test_an_ecr_host_of_another_account_or_region_is_refused(project: Path, given: dict[str, str]) -> None:
    assert f"contradicts DOCKER_REGISTRY={ECR}" in refusal(project, {"docker_registry": ECR, **given}).message


def test_the_account_of_a_host_that_is_not_ecrs_is_what_is_set(project: Path) -> None:
    found = load(project, {"docker_registry": "127.0.0.1:5000", "account": "123456789012", "region": "eu-west-2"})
    assert (found.registry_host, found.account) == (Registry("127.0.0.1:5000"), "123456789012")


@pytest.mark.parametrize(
    ("prefix", "host", "path"),
    [
        (f"{ECR}/mine", ECR, "mine"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b"),
        ("localhost/mine", "localhost", "mine"),
        ("team/mine", None, "team/mine"),
        ("my.team", None, "my.team"),
    ],
)
def test_a_prefix_may_begin_with_a_registry(project: Path, prefix: str, host: str | None, path: str) -> None:
    found = load(project, {"repo_prefix": prefix})
    assert (found.registry_host and str(found.registry_host), found.repository_prefix) == (host, path)


def test_a_prefix_of_another_registry_than_the_one_set_is_refused(project: Path) -> None:
    given = {"repo_prefix": "a.example/mine", "docker_registry": "b.example"}
    assert "DOCKER_REGISTRY=b.example (command line) contradicts" in refusal(project, given).message


def test_a_prefix_on_the_command_line_wins_over_an_exported_registry(project: Path) -> None:
    found = load(project, {"repo_prefix": "a.example/mine"}, {"DOCKER_REGISTRY": "b.example"})
    assert found.registry_host == Registry("a.example")


def test_an_instance_set_over_an_exported_prefix_of_another_is_refused(project: Path) -> None:
    fault = refusal(project, {"instance_id": "mine"}, {"REPO_PREFIX": "a.example/other"})
    assert "INSTANCE_ID=mine (command line) contradicts REPO_PREFIX=a.example/other" in fault.message


def test_an_instance_set_as_it_is_where_the_prefix_is_keeps_the_prefix(project: Path) -> None:
    environment = {"REPO_PREFIX": "a.example/shared", "INSTANCE_ID": "mine"}
    assert load(project, {"instance_id": "mine"}, environment).repository_prefix == "shared"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "ecr"),
        ({"docker_registry": ECR}, "ecr"),
        ({"docker_registry": "127.0.0.1:5000"}, "oci"),
        ({"docker_registry": "127.0.0.1:5000", "aws_endpoint_url": "http://127.0.0.1:1"}, "ecr"),
        ({"docker_registry": "127.0.0.1:5000", "aws_endpoint_url_ecr": "http://127.0.0.1:1"}, "ecr"),
        ({"docker_registry": ECR, "registry": "oci"}, "oci"),
        ({"docker_registry": "ghcr.io", "registry": "ECR"}, "ecr"),
    ],
)
def test_the_kind_of_registry_follows_from_host_and_endpoint(project: Path, given: dict[str, str], kind: str) -> None:
    assert load(project, given).registry_kind == kind


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
def test_a_value_that_cannot_be_is_refused_with_its_name_and_origin(project: Path, variable: str, text: str) -> None:
    message = refusal(project, {variable: text}).message
    assert message.startswith(f"{variable.upper()}={text!r} (command line) ")
    assert "\n" not in message


def test_a_suggestion_ends_the_fault_of_a_mistyped_word(project: Path) -> None:
    assert refusal(project, {"target": "sandbx"}).message.endswith("did you mean 'sandbox'?")


def test_all_faults_are_named_at_once(project: Path) -> None:
    message = refusal(project, {"account": "1"}, {"REGION": "x", "VERSION": "-"}).message
    assert [line.partition("=")[0] for line in message.splitlines()] == ["ACCOUNT", "REGION", "VERSION"]


@pytest.mark.parametrize(("name", "meant"), [("instanceid", "instance_id"), ("stack", "stacks"), ("Region", "region")])
def test_an_unknown_variable_on_the_command_line_is_refused(project: Path, name: str, meant: str) -> None:
    assert f"there is no variable '{name}'; did you mean '{meant}'?" == refusal(project, {name: "x"}).message


def test_a_variable_in_both_cases_with_two_values_is_refused(project: Path) -> None:
    assert "both on the command line" in refusal(project, {"region": "eu-west-1", "REGION": "eu-west-2"}).message


def test_a_variable_that_others_read_is_let_through(project: Path) -> None:
    assert load(project, {"sandbox_api_port": "1"}, known_extra=["SANDBOX_API_PORT"]) == load(project)


def test_an_unknown_variable_of_the_environment_is_nobodys_business(project: Path) -> None:
    assert load(project, environment={"STACK": "x", "INSTANCEID": "y"}) == load(project)


@pytest.mark.parametrize("name", ["TARGET", "FORCE", "WAIT", "BASE"])
def test_what_is_asked_of_one_run_cannot_be_exported(project: Path, name: str) -> None:
    environment = {"TARGET": "sandbox", "FORCE": "true", "WAIT": "5", "BASE": "refresh"}
    assert load(project, environment={name: environment[name]}) == load(project)


@pytest.mark.parametrize("name", ["instance_properties", "builder_config"])
def test_a_file_that_is_named_and_not_there_is_refused(project: Path, name: str) -> None:
    assert "absent" in refusal(project, {name: "absent"}).message


def test_a_relative_path_starts_where_the_caller_is(project: Path) -> None:
    caller = project / "caller"
    caller.mkdir()
    (caller / "x.properties").write_text("sleeper.id=mine")
    given = {"scripts_dir": "../scripts", "instance_properties": "x.properties"}
    found = load(project, given, initial_directory=caller)
    assert (found.scripts_dir, found.instance_id) == (caller / "../scripts", "mine")
    assert found.state_dir == project / ".sleeper-images"


def test_the_version_is_the_first_line_of_sleepers_version_file(project: Path) -> None:
    scripts = build(project, " 0.36.0-SNAPSHOT \r\nnot this\n")
    found = load(project)
    assert (found.version, found.origins["VERSION"]) == ("0.36.0-SNAPSHOT", str(scripts / "templates/version.txt"))


def test_version_wins_over_the_version_file(project: Path) -> None:
    build(project)
    assert load(project, environment={"VERSION": "1.2"}).version == "1.2"


def test_a_malformed_version_file_fails_only_what_needs_a_version(project: Path) -> None:
    build(project, "1.0 beta\n")
    found = load(project)
    assert "cannot be a tag" in found.origins["VERSION"]
    with pytest.raises(SettingsError, match=r"version\.txt:1: '1\.0 beta' cannot be a tag"):
        found.require_version()


def test_native_is_this_machines_platform(project: Path) -> None:
    assert load(project, {"platform": "native"}).platform == platforms.native()


def test_a_push_without_settings_says_everything_that_is_missing(project: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(project).require_destination()
    for needed in ("INSTANCE_ID", "SCRIPTS_DIR", "VERSION", "Maven build", "./doitw sandbox push_all"):
        assert needed in str(caught.value)
    assert len(str(caught.value).splitlines()) < 24


def test_a_push_with_everything_set_is_let_through(project: Path) -> None:
    build(project)
    load(project, {"instance_id": "mine"}).require_destination()


def test_a_plain_registry_must_be_named(project: Path) -> None:
    build(project)
    with pytest.raises(SettingsError, match="DOCKER_REGISTRY is not set, and REGISTRY is oci"):
        load(project, {"instance_id": "mine", "registry": "oci"}).require_destination()


def test_a_scripts_directory_that_was_not_built_is_named_with_what_to_do(project: Path) -> None:
    (project / "scripts").mkdir()
    with pytest.raises(SettingsError, match="scripts/docker is not there") as caught:
        load(project).require_scripts_dir()
    assert "Maven build" in caught.value.next_step


def test_in_the_sandbox_nothing_exported_for_a_real_account_says_where_images_go(project: Path) -> None:
    file = properties(project, "x.properties", "sleeper.id=filed", "sleeper.ecr.repository.prefix=filed")
    real = {
        "INSTANCE_ID": "real",
        "ACCOUNT": "210987654321",
        "REGION": "us-east-1",
        "DOCKER_REGISTRY": "210987654321.dkr.ecr.us-east-1.amazonaws.com",
        "REPO_PREFIX": "real.example/real",
        "REGISTRY": "oci",
        "VERSION": "9",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_ECR": "https://real.example",
        "INSTANCE_PROPERTIES": file,
    }
    found = load(project, {"target": "sandbox"}, real, defaults=SANDBOX)
    assert found == load(project, {"target": "sandbox"}, defaults=SANDBOX)
    assert (found.instance_id, str(found.registry_host), found.version) == ("sandbox", "127.0.0.1:5000", "1.0-sandbox")


def test_in_the_sandbox_the_command_line_still_wins(project: Path) -> None:
    found = load(project, {"target": "sandbox", "instance_id": "mine"}, defaults=SANDBOX)
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "command line")
    assert found.origins["ACCOUNT"] == "the sandbox"


def test_in_the_sandbox_the_environment_still_chooses_images(project: Path) -> None:
    assert load(project, {"target": "sandbox"}, {"IMAGES": "ingest"}, defaults=SANDBOX).images == ("ingest",)


def test_what_another_target_supplies_stands_in_for_defaults_only(project: Path) -> None:
    found = load(project, environment={"INSTANCE_ID": "mine"}, defaults={"PARALLEL": ("9", "x"), **SANDBOX})
    assert (found.instance_id, found.parallel, found.origins["PARALLEL"]) == ("mine", 9, "x")


def test_an_endpoint_on_the_command_line_reaches_aws_clients(project: Path) -> None:
    environment = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    found = load(project, {"aws_endpoint_url": "http://127.0.0.1:1"}, environment)
    expected = {"AWS_PROFILE": "mine", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert expected == found.aws_environment(environment)


def test_the_builder_is_the_catalogues_unless_a_variable_says_otherwise(project: Path) -> None:
    described = Builder("sleeper", options=(("image", "x"), ("network", "none")), platforms=("linux/amd64",))
    assert load(project).builder_for(described) == described
    found = load(project, {"builder": "mine", "builder_options": "network=host"}).builder_for(described)
    assert found == Builder("mine", options=(("image", "x"), ("network", "host")), platforms=("linux/amd64",))


def test_another_driver_starts_without_the_catalogues_options_and_nodes(project: Path) -> None:
    described = Builder("sleeper", "kubernetes", (("namespace", "x"),), ("linux/amd64",), nodes=(BuilderNode("a"),))
    found = load(project, {"builder_driver": "docker"}).builder_for(described)
    assert found == Builder("sleeper", "docker", platforms=("linux/amd64",))


NAMES = [variable.name for variable in VARIABLES]


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
