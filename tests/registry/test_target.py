from pathlib import Path

import pytest

from tasks.configuration import settings
from tasks.errors import SettingsError
from tasks.model import Image, Kind
from tasks.reference import Registry
from tasks.registry import target
from tasks.registry.target import Target

IMAGE = Image("ingest", Kind.DEPLOYMENT, "ingest")
PROJECT = Path(__file__).parents[2]
ACCOUNTS = Registry("999999999999.dkr.ecr.us-east-1.amazonaws.com")


def resolve(**variables: str) -> Target:
    return target.resolve(settings.load(variables, {}, PROJECT), lambda: ACCOUNTS)


def test_account_and_region_name_ecrs_host() -> None:
    found = resolve(instance_id="mine", account="123456789012", region="eu-west-2")
    assert str(found.repository(IMAGE)) == "123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine/ingest"
    assert found.ecr


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
    assert found.ecr


@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_is_reached_where_dockers_clients_reach_it(host: str) -> None:
    assert resolve(docker_registry=host, instance_id="mine").registry == Registry("registry-1.docker.io")
    assert resolve(repo_prefix=f"{host}/mine").registry == Registry("registry-1.docker.io")


def test_without_an_account_the_credentials_say_the_registry() -> None:
    assert resolve(instance_id="mine", region="us-east-1") == Target(ACCOUNTS, "mine", ecr=True)


def test_a_prefix_names_registry_and_path() -> None:
    found = resolve(repo_prefix="127.0.0.1:5000/a/b")
    assert (str(found.registry), found.path, found.ecr) == ("127.0.0.1:5000", "a/b", False)


def test_the_prefix_is_the_instance_property() -> None:
    assert resolve(instance_id="mine", docker_registry="127.0.0.1:5000").prefix == "127.0.0.1:5000/mine"


def test_another_registry_is_a_plain_one() -> None:
    assert not resolve(instance_id="mine", docker_registry="127.0.0.1:5000").ecr


def test_another_registry_can_be_said_to_be_ecr() -> None:
    assert resolve(instance_id="mine", docker_registry="127.0.0.1:5000", registry="ecr").ecr


def test_an_aws_endpoint_makes_any_registry_ecrs() -> None:
    assert resolve(instance_id="mine", docker_registry="127.0.0.1:5000", aws_endpoint_url="http://127.0.0.1:1").ecr


def test_a_run_that_forgot_the_instance_fails() -> None:
    with pytest.raises(SettingsError, match="INSTANCE_ID"):
        resolve(account="123456789012", region="eu-west-2")
