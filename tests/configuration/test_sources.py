from __future__ import annotations

from pathlib import Path

import pytest

from tests.configuration.loading import load, refusal

SANDBOX = {
    "INSTANCE_ID": ("sandbox", "the sandbox"),
    "ACCOUNT": ("123456789012", "the sandbox"),
    "REGION": ("eu-west-2", "the sandbox"),
    "DOCKER_REGISTRY": ("127.0.0.1:5000", "the sandbox"),
    "VERSION": ("1.0-sandbox", "the sandbox"),
    "BUILDER_OPTIONS": ("network=host", "the sandbox"),
    "AWS_ENDPOINT_URL": ("http://127.0.0.1:5001", "the sandbox"),
}


def properties(directory: Path, name: str, *lines: str) -> str:
    (directory / name).write_text("\n".join(lines))
    return str(directory / name)


def test_the_environment_gives_a_setting(tmp_path: Path) -> None:
    found = load(tmp_path, environment={"INSTANCE_ID": "mine"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "environment variable INSTANCE_ID")


@pytest.mark.parametrize("name", ["instance_id", "INSTANCE_ID"])
def test_the_command_line_wins_over_the_environment_in_either_case(tmp_path: Path, name: str) -> None:
    found = load(tmp_path, {name: "mine"}, {"INSTANCE_ID": "other"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "command line")


def test_a_properties_file_on_the_command_line_wins_over_the_environment(tmp_path: Path) -> None:
    file = properties(tmp_path, "instance.properties", "# mine", "sleeper.id=filed")
    found = load(tmp_path, {"instance_properties": file}, {"INSTANCE_ID": "exported"})
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("filed", f"sleeper.id in {file}:2")


def test_the_environment_wins_over_a_properties_file_that_it_names(tmp_path: Path) -> None:
    file = properties(tmp_path, "instance.properties", "sleeper.id=filed", "sleeper.region=eu-west-1")
    found = load(tmp_path, environment={"INSTANCE_PROPERTIES": file, "INSTANCE_ID": "exported"})
    assert (found.instance_id, found.region) == ("exported", "eu-west-1")


def test_another_file_on_the_command_line_hides_the_one_that_the_environment_names(tmp_path: Path) -> None:
    mine = properties(tmp_path, "mine.properties", "sleeper.id=mine")
    other = properties(tmp_path, "other.properties", "sleeper.id=other", "sleeper.account=123456789012")
    found = load(tmp_path, {"instance_properties": mine}, {"INSTANCE_PROPERTIES": other})
    assert (found.instance_id, found.account) == ("mine", None)


def test_an_empty_variable_of_the_environment_is_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"STACKS": "", "INSTANCE_ID": " "}).instance_id is None


def test_an_empty_variable_on_the_command_line_brings_the_default_back(tmp_path: Path) -> None:
    found = load(tmp_path, {"images": "", "platform": ""}, {"IMAGES": "ingest", "PLATFORM": "linux/arm64"})
    assert (found.images, found.platform) == (None, "linux/amd64")


def test_sleepers_properties_give_their_settings(tmp_path: Path) -> None:
    file = properties(
        tmp_path,
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
    found = load(tmp_path, {"instance_properties": file})
    assert (found.instance_id, found.account, found.region) == ("mine", "123456789012", "eu-west-2")
    assert (found.repository_prefix, found.registry_host) == ("shared/images", None)
    assert (found.stacks, found.lambda_deploy_type) == (("IngestStack", "QueryStack"), "jar")
    assert found.version is None


def test_an_artefacts_deployment_names_the_repositories_as_in_sleeper(tmp_path: Path) -> None:
    file = properties(tmp_path, "instance.properties", "sleeper.id=mine", "sleeper.artefacts.deployment=shared")
    assert load(tmp_path, {"instance_properties": file}).repository_prefix == "shared"


def test_an_empty_list_of_stacks_in_sleepers_properties_means_none(tmp_path: Path) -> None:
    file = properties(tmp_path, "instance.properties", "sleeper.optional.stacks=")
    assert load(tmp_path, {"instance_properties": file}).stacks == ()


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_may_come_from_awss_own_variables(tmp_path: Path, name: str) -> None:
    found = load(tmp_path, environment={name: "eu-west-3"})
    assert (found.region, found.origins["REGION"]) == ("eu-west-3", f"environment variable {name}")


def test_region_wins_over_awss_own_variables(tmp_path: Path) -> None:
    assert load(tmp_path, environment={"AWS_REGION": "eu-west-3", "REGION": "eu-west-1"}).region == "eu-west-1"


@pytest.mark.parametrize("name", ["TARGET", "FORCE", "WAIT", "BASE"])
def test_what_is_asked_of_one_run_cannot_be_exported(tmp_path: Path, name: str) -> None:
    environment = {"TARGET": "sandbox", "FORCE": "true", "WAIT": "5", "BASE": "refresh"}
    assert load(tmp_path, environment={name: environment[name]}) == load(tmp_path)


def test_a_relative_path_starts_where_the_caller_is(tmp_path: Path) -> None:
    caller = tmp_path / "caller"
    caller.mkdir()
    (caller / "x.properties").write_text("sleeper.id=mine")
    given = {"scripts_dir": "../scripts", "instance_properties": "x.properties"}
    found = load(tmp_path, given, initial_directory=caller)
    assert (found.scripts_dir, found.instance_id) == (tmp_path / "scripts", "mine")
    assert found.state_dir == tmp_path / ".sleeper-images"


def test_in_the_sandbox_nothing_exported_for_a_real_account_says_where_images_go(tmp_path: Path) -> None:
    file = properties(tmp_path, "x.properties", "sleeper.id=filed", "sleeper.ecr.repository.prefix=filed")
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
    found = load(tmp_path, {"target": "sandbox"}, real, defaults=SANDBOX)
    assert found == load(tmp_path, {"target": "sandbox"}, defaults=SANDBOX)
    assert (found.instance_id, str(found.registry_host), found.version) == ("sandbox", "127.0.0.1:5000", "1.0-sandbox")


def test_in_the_sandbox_the_command_line_still_wins(tmp_path: Path) -> None:
    found = load(tmp_path, {"target": "sandbox", "instance_id": "mine"}, defaults=SANDBOX)
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("mine", "command line")
    assert found.origins["ACCOUNT"] == "the sandbox"


def test_in_the_sandbox_the_environment_still_chooses_images(tmp_path: Path) -> None:
    assert load(tmp_path, {"target": "sandbox"}, {"IMAGES": "ingest"}, defaults=SANDBOX).images == ("ingest",)


def test_in_the_sandbox_an_empty_variable_restores_the_sandboxs(tmp_path: Path) -> None:
    found = load(tmp_path, {"target": "sandbox", "instance_id": ""}, {"INSTANCE_ID": "real"}, defaults=SANDBOX)
    assert (found.instance_id, found.origins["INSTANCE_ID"]) == ("sandbox", "the sandbox")


# What the command line may say


@pytest.mark.parametrize(("name", "meant"), [("instanceid", "instance_id"), ("stack", "stacks"), ("Region", "region")])
def test_an_unknown_variable_on_the_command_line_is_refused(tmp_path: Path, name: str, meant: str) -> None:
    assert f"unknown variable '{name}'; did you mean '{meant}'?" == refusal(tmp_path, {name: "x"}).message


def test_a_variable_in_both_cases_with_two_values_is_refused(tmp_path: Path) -> None:
    assert (
        "different values on the command line"
        in refusal(tmp_path, {"region": "eu-west-1", "REGION": "eu-west-2"}).message
    )


def test_a_variable_that_others_read_is_let_through(tmp_path: Path) -> None:
    assert load(tmp_path, {"sandbox_api_port": "1"}, known_extra=["SANDBOX_API_PORT"]) == load(tmp_path)
