from __future__ import annotations

import subprocess
import sys
from itertools import chain

import botocore.session
import pytest
from botocore.regions import EndpointResolver

from tasks.reference import Registry
from tasks.registry.aws_client import dns_suffix
from tests.integration.project import CHECKOUT

ACCOUNT = "123456789012"
SESSION = botocore.session.Session()
REGIONS = sorted(
    set(chain.from_iterable(SESSION.get_available_regions("ecr", each) for each in SESSION.get_available_partitions()))
)
OUTPUTS = [one["outputs"] | {"id": one["id"]} for one in SESSION.get_data("partitions")["partitions"]]


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_in_the_partition_that_botocore_puts_it_in(region: str) -> None:
    resolver: EndpointResolver = SESSION._get_internal_component("endpoint_resolver")
    name = SESSION.get_partition_for_region(region)
    assert dns_suffix(region) == resolver.get_partition_dns_suffix(name)


def test_a_region_that_is_newer_than_botocore_is_told_by_its_name() -> None:
    assert dns_suffix("us-isob-north-7") == "sc2s.sgov.gov"


def test_a_region_of_no_partition_is_taken_for_one_of_the_usual_one() -> None:
    assert dns_suffix("xx-nowhere-1") == "amazonaws.com"


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: str(outputs["id"]))
@pytest.mark.parametrize("name", ["dkr.ecr", "dkr.ecr-fips"])
def test_the_hosts_of_every_partition_are_ecrs(name: str, outputs: dict[str, str]) -> None:
    region = outputs["implicitGlobalRegion"]
    host = Registry(f"{ACCOUNT}.{name}.{region}.{outputs['dnsSuffix']}")
    assert host.ecr_account_and_region == (ACCOUNT, region)


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: str(outputs["id"]))
@pytest.mark.parametrize("name", ["dkr-ecr", "dkr-ecr-fips"])
def test_the_dual_stack_hosts_of_every_partition_are_ecrs(name: str, outputs: dict[str, str]) -> None:
    if not outputs["dualStackDnsSuffix"].startswith("api."):
        pytest.skip("the partition has no dual-stack hosts")
    region = outputs["implicitGlobalRegion"]
    host = Registry(f"{ACCOUNT}.{name}.{region}.on.{outputs['dualStackDnsSuffix'].removeprefix('api.')}")
    assert host.ecr_account_and_region == (ACCOUNT, region)


@pytest.mark.parametrize("outputs", OUTPUTS, ids=lambda outputs: str(outputs["id"]))
def test_the_documentation_names_every_partition(outputs: dict[str, str]) -> None:
    text = (CHECKOUT / "docs" / "aws-policy.md").read_text()
    assert f"| `arn:{outputs['id']}` |" in text
    assert f".{outputs['dnsSuffix']}` |" in text


def test_botocore_is_not_imported_for_it() -> None:
    code = (
        "import sys; from tasks.registry import aws_client; aws_client.dns_suffix('us-iso-east-1'); "
        "sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
