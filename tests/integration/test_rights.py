"""What becomes of a run whose login lacks one right of docs/aws-policy.json: what docs/aws-policy.md says.

Proxies stand before the sandbox's registry and its API. They deny what needs the right, with ECR's own answers.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import ACCOUNT, Sandbox
from tests.faults.proxy import Answer, Asked, Fault, Forward, Handler, Proxy, aws_fault
from tests.integration.project import Project, some
from tests.integration.test_aws_policy import ACTIONS, actions
from tests.registry.accounts import client

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
(INGEST,) = some("ingest")

NOTHING_LOST = {"CreateRepository", "DescribeRepositories", "DescribeImages", "GetLifecyclePolicy"}
"""The rights without which everything is pushed, where the repositories are there."""

BEFORE_THE_BUILD = {"GetAuthorizationToken", "BatchGetImage", "InitiateLayerUpload"}
"""The rights whose want is found before anything is built."""

_instances = itertools.count()


class Everything(Fault):
    """Meets each request."""

    def meets(self, step: str, repository: str) -> bool:  # noqa: ARG002  # Fault's signature.
        """Whether this request is to meet the fault."""
        return True


def deny(api: Proxy, registry: Proxy, right: str) -> None:
    """Deny what needs a right."""

    def by_registry(handler: Handler, forward: Forward) -> Answer:
        asked = Asked("", handler.command, handler.path, "", "", 0)
        if right not in actions(asked):
            return forward()
        text = f"User: arn:aws:iam::123456789012:user/x is not authorized to perform: ecr:{right} on resource: x"
        body = json.dumps({"errors": [{"code": "DENIED", "message": text}]}).encode()
        return Answer(403, [("Content-Type", "application/json")], body)

    def by_api(handler: Handler, forward: Forward) -> Answer | None:
        asked = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
        return aws_fault(400, "AccessDeniedException")(handler, forward) if asked == right else forward()

    registry.script(Everything(right, by_registry, ""))
    api.script(Everything(right, by_api, ""))


@pytest.fixture(scope="module")
def proxies(sandbox: Sandbox) -> Iterator[tuple[Proxy, Proxy]]:
    api, registry = Proxy(f"127.0.0.1:{sandbox.api_port}"), Proxy(sandbox.docker_registry)
    yield api, registry
    api.close()
    registry.close()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, proxies: tuple[Proxy, Proxy], tmp_path: Path) -> Project:
    api, registry = proxies
    variables = {
        "DOCKER_REGISTRY": registry.host,
        "AWS_ENDPOINT_URL": f"http://{api.host}",
        "REGISTRY": "ecr",
        "IMAGES": "ingest",
    }
    project = Project(tmp_path, sandbox, engine, f"rights-{next(_instances)}", variables)
    sample.make(project.scripts, [INGEST], VERSION)
    return project


@pytest.fixture
def created(project: Project) -> Project:
    """A project whose repository is there."""
    client(project.sandbox.endpoint_url, ACCOUNT).create_repository(repositoryName=f"{project.instance}/ingest")
    return project


@pytest.mark.parametrize("right", sorted(NOTHING_LOST))
def test_without_it_images_are_pushed_and_their_tags_moved(
    created: Project, proxies: tuple[Proxy, Proxy], right: str
) -> None:
    project = created
    deny(*proxies, right)
    first = project.run("push_all")
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")
    second = project.run("push_all")
    assert (first.code, first.counts, second.code, second.counts) == (0, (1, 1), 0, (1, 1)), second.output


@pytest.mark.parametrize("right", sorted(NOTHING_LOST))
def test_without_it_status_tells_what_is_deployed(created: Project, proxies: tuple[Proxy, Proxy], right: str) -> None:
    deny(*proxies, right)
    assert created.run("push_all").code == 0
    status = created.run("status")
    assert (status.code, "1 image" in status.output) == (0, True), status.output


@pytest.mark.parametrize("right", sorted(ACTIONS - NOTHING_LOST))
def test_without_it_nothing_is_tagged_and_the_right_is_named(
    project: Project, proxies: tuple[Proxy, Proxy], right: str
) -> None:
    deny(*proxies, right)
    done = project.run("push_all")
    assert done.code != 0
    assert {tag for tag in done.after.get("ingest", {}) if not tag.startswith("building")} == set()
    assert f"ecr:{right}" in done.output, done.output
    assert "Traceback" not in done.output, done.output


@pytest.mark.parametrize("right", sorted(BEFORE_THE_BUILD))
def test_its_want_is_found_before_the_build(project: Project, proxies: tuple[Proxy, Proxy], right: str) -> None:
    deny(*proxies, right)
    assert project.run("push_all").built == set()


def test_where_nothing_changed_two_rights_are_enough(project: Project, proxies: tuple[Proxy, Proxy]) -> None:
    for proxy in proxies:
        proxy.script()
    assert project.run("push_all").code == 0
    for right in sorted(ACTIONS - {"GetAuthorizationToken", "BatchGetImage"}):
        deny(*proxies, right)
        done = project.run("push_all")
        assert (right, done.code, done.counts) == (right, 0, (0, 0)), done.output
