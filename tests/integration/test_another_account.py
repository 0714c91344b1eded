"""Pushes with a login of one account to the registry of another, with moto's repositories of both."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import ACCOUNT, Sandbox
from tests.faults.proxy import FOR_EVER, Fault, Proxy, answer
from tests.integration.project import Project, some
from tests.registry.accounts import Accounts, accounts

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
CENTRAL = "222222222222"
(INGEST,) = some("ingest")
ABSENT = answer(404, code="NAME_UNKNOWN")

_instances = itertools.count()


@pytest.fixture(scope="module")
def registry(sandbox: Sandbox) -> Iterator[Proxy]:
    proxy = Proxy(sandbox.docker_registry)
    yield proxy
    proxy.close()


@pytest.fixture
def aws(sandbox: Sandbox) -> Iterator[Accounts]:
    with accounts(sandbox.endpoint_url) as found:
        found.allowed = {"DescribeRepositories", "DescribeImages", "GetLifecyclePolicy"}
        yield found


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, aws: Accounts, registry: Proxy, tmp_path: Path) -> Project:
    """A project whose login is of the sandbox's account, and whose registry is the central one's."""
    registry.script()
    variables = {
        "ACCOUNT": CENTRAL,
        "AWS_ENDPOINT_URL": aws.url,
        "DOCKER_REGISTRY": registry.host,
        "REGISTRY": "ecr",
        "IMAGES": "ingest",
    }
    project = Project(tmp_path, sandbox, engine, f"central-{next(_instances)}", variables)
    sample.make(project.scripts, [INGEST], VERSION)
    return project


def ours(project: Project, aws: Accounts, account: str) -> set[str]:
    """Return the instance's repositories in an account."""
    return {name for name in aws.repositories(account) if name.startswith(f"{project.instance}/")}


def create(project: Project, aws: Accounts, setting: str = "MUTABLE") -> None:
    """Create the repository in the central account, and in the other as well: the sandbox's registry may ask for it."""
    path = f"{project.instance}/ingest"
    aws.client(CENTRAL).create_repository(repositoryName=path, imageTagMutability=setting)
    aws.client(ACCOUNT).create_repository(repositoryName=path, imageTagMutability="MUTABLE")


def test_an_image_is_pushed_without_a_call_that_creates(project: Project, aws: Accounts) -> None:
    create(project, aws)
    done = project.run("push_all")
    assert (done.code, done.counts) == (0, (1, 1)), done.output
    assert [call for call in aws.calls() if call.startswith("CreateRepository")] == []


def test_what_is_immutable_there_is_immutable(project: Project, aws: Accounts) -> None:
    create(project, aws, "IMMUTABLE")
    assert project.run("push_all").code == 0
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")
    done = project.run("push_all")
    assert (done.code == 0, done.built) == (False, set())
    assert f"{project.instance}/ingest:{VERSION} is immutable" in done.output


def test_an_absent_repository_is_told_before_the_build_with_both_accounts(
    project: Project, aws: Accounts, registry: Proxy
) -> None:
    registry.script(Fault("absent", ABSENT, "ours: POST uploads", times=FOR_EVER))
    done = project.run("push_all")
    assert (done.code == 0, done.built) == (False, set())
    said = " ".join(done.output.split())
    assert f"the registry belongs to account {CENTRAL}, the AWS login to account {ACCOUNT}" in said
    assert f"aws ecr create-repository --repository-name {project.instance}/ingest --region eu-west-2" in said
    assert ours(project, aws, ACCOUNT) | ours(project, aws, CENTRAL) == set()


def test_where_nothing_changed_the_accounts_are_not_compared(project: Project, aws: Accounts) -> None:
    create(project, aws)
    project.run("push_all")
    aws.server.asked.clear()
    assert project.run("push_all").code == 0
    assert aws.calls() == ["GetAuthorizationToken -"]
