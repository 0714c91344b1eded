from pathlib import Path

import pytest

from tasks.configuration import settings
from tasks.errors import SettingsError
from tasks.model import Image, Kind
from tasks.reference import Registry
from tasks.registry.credentials import Credential
from tasks.registry.ecr import Ecr
from tasks.registry.plain import Plain
from tasks.registry.target import Target

IMAGE = Image("ingest", Kind.DEPLOYMENT, "ingest")
PROJECT = Path(__file__).parents[2]
LOGIN = Credential("me", "secret")


def resolve(**variables: str) -> Target:
    return Target(settings.load(variables, {}, PROJECT), {}, lambda _registry, _fresh: LOGIN)


def test_account_and_region_name_ecrs_host() -> None:
    found = resolve(instance_id="mine", account="123456789012", region="eu-west-2")
    assert str(found.repository(IMAGE)) == "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine/ingest"
    assert isinstance(found.backend, Ecr)


def test_chinas_regions_have_a_suffix_of_their_own() -> None:
    found = resolve(instance_id="mine", account="123456789012", region="cn-north-1")
    assert str(found.registry) == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("us-gov-west-1", "amazonaws.com"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("eu-north-9", "amazonaws.com"),
    ],
)
def test_a_region_has_the_suffix_of_its_partition(region: str, suffix: str) -> None:
    found = resolve(instance_id="mine", account="123456789012", region=region)
    assert str(found.registry) == f"123456789012.dkr.ecr.{region}.{suffix}"
    assert isinstance(found.backend, Ecr)


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_reached_where_dockers_clients_reach_it(host: str) -> None:
    assert resolve(docker_registry=host, instance_id="mine").registry == Registry("registry-1.docker.io")
    assert resolve(repo_prefix=f"{host}/mine").registry == Registry("registry-1.docker.io")


def test_a_prefix_names_registry_and_path() -> None:
    found = resolve(repo_prefix="127.0.0.1:5000/a/b")
    assert (str(found.registry), found.path, type(found.backend)) == ("127.0.0.1:5000", "a/b", Plain)


def test_the_prefix_is_the_instance_property() -> None:
    assert resolve(instance_id="mine", docker_registry="127.0.0.1:5000").prefix == "127.0.0.1:5000/mine"


def test_another_registry_is_a_plain_one() -> None:
    assert isinstance(resolve(instance_id="mine", docker_registry="127.0.0.1:5000").backend, Plain)


def test_another_registry_can_be_said_to_be_ecr() -> None:
    assert isinstance(resolve(instance_id="mine", docker_registry="127.0.0.1:5000", registry="ecr").backend, Ecr)


def test_an_aws_endpoint_makes_any_registry_ecrs() -> None:
    assert isinstance(
        resolve(instance_id="mine", docker_registry="127.0.0.1:5000", aws_endpoint_url="http://127.0.0.1:1").backend,
        Ecr,
    )


def test_a_run_that_forgot_the_instance_fails() -> None:
    with pytest.raises(SettingsError, match="INSTANCE_ID"):
        _ = resolve(account="123456789012", region="eu-west-2").prefix


def test_a_plain_registry_without_a_host_fails() -> None:
    with pytest.raises(SettingsError, match="DOCKER_REGISTRY is not set"):
        _ = resolve(instance_id="mine", registry="oci").registry


def test_the_user_s_own_login_opens_a_plain_registry_and_all_others() -> None:
    found = resolve(instance_id="mine", docker_registry="127.0.0.1:5000")
    assert found.credential(found.registry) == LOGIN
    assert found.credential(Registry("other.example")) == LOGIN


@pytest.mark.parametrize(
    ("variables", "paced"),
    [
        ({"account": "123456789012", "region": "eu-west-2"}, True),
        ({"docker_registry": "123456789012.dkr.ecr.eu-west-2.amazonaws.com", "registry": "oci"}, True),
        ({"docker_registry": "127.0.0.1:5000"}, False),
        # As the sandbox, which counts as ECR does.
        ({"docker_registry": "127.0.0.1:5000", "registry": "ecr"}, True),
        ({"docker_registry": "127.0.0.1:5000", "puts_per_second": "3"}, True),
    ],
)
def test_only_ecr_or_a_setting_limits_the_pace_of_puts(variables: dict[str, str], paced: bool) -> None:
    assert (resolve(instance_id="mine", **variables).pace is not None) is paced
