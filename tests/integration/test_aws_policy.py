"""docs/aws-policy.json against what real runs ask AWS and the registry for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests.faults.proxy import Asked, Proxy
from tests.integration.project import CHECKOUT, Project, some

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
IMAGES = some("ingest", "statestore-committer")

POLICY = json.loads((CHECKOUT / "docs" / "aws-policy.json").read_text())
ACTIONS = {
    action.removeprefix("ecr:")
    for statement in POLICY["Statement"]
    for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
}
BY_API = {"GetAuthorizationToken", "CreateRepository", "DescribeRepositories", "DescribeImages", "GetLifecyclePolicy"}

PROTOCOL = (
    ("HEAD|GET", "/v2/[^?]+/(manifests|referrers)/.*", {"BatchGetImage"}),
    ("GET", "/v2/[^?]+/blobs/sha256:.*", {"GetDownloadUrlForLayer"}),
    ("HEAD", "/v2/[^?]+/blobs/sha256:.*", {"BatchCheckLayerAvailability"}),
    ("POST", "/v2/[^?]+/blobs/uploads/.*", {"InitiateLayerUpload"}),
    ("PATCH", "/v2/[^?]+/blobs/uploads/.*", {"UploadLayerPart"}),
    # It ends an upload, and small blobs are sent with it.
    ("PUT", "/v2/[^?]+/blobs/uploads/.*", {"UploadLayerPart", "CompleteLayerUpload"}),
    ("PUT", "/v2/[^?]+/manifests/.*", {"PutImage"}),
    # Of no action: the question which login is wanted, and giving up an upload, which ECR cannot.
    ("GET|HEAD", r"/v2/(\?.*)?", set[str]()),
    ("DELETE", "/v2/[^?]+/blobs/uploads/.*", set[str]()),
)
"""Which actions allow which request of the registry protocol ("IAM permissions for pushing an image", and for pulling,
in the Amazon ECR user guide; ListImageReferrers in the API reference)."""


def actions(asked: Asked) -> set[str]:
    """Return the actions that a request of the registry protocol needs."""
    for method, path, names in PROTOCOL:
        if re.fullmatch(method, asked.method) and re.fullmatch(path, asked.path):
            return names
    return {f"no action known: {asked.method} {asked.path}"}


@pytest.fixture(scope="module")
def used(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """The actions that each run used, by its name."""
    registry, api = Proxy(sandbox.docker_registry), Proxy(f"127.0.0.1:{sandbox.api_port}")
    variables = {
        "DOCKER_REGISTRY": registry.host,
        "AWS_ENDPOINT_URL": f"http://{api.host}",
        "REGISTRY": "ecr",
        "IMAGES": ",".join(image.name for image in IMAGES),
    }
    project = Project(tmp_path_factory.mktemp("policy"), sandbox, engine, "policy", variables)
    sample.make(project.scripts, IMAGES, VERSION)

    def run(*words: str) -> set[str]:
        registry.script()
        api.script()
        done = project.run(*words)
        assert "Traceback" not in done.output, done.output
        asked = {asked.step.removeprefix("aws: ") for asked in api.asked}
        return asked.union(*(actions(one) for one in registry.asked))

    found = {"first": run("push_all"), "nothing": run("push_all")}
    shutil.rmtree(project.state)
    found["a fresh clone"] = run("push_all")
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")
    found |= {"changed": run("push_all"), "status": run("status"), "plan": run("plan"), "why": run("why", "ingest")}
    yield found
    registry.close()
    api.close()


def test_every_call_is_allowed_and_every_action_is_used(used: dict[str, set[str]]) -> None:
    assert set().union(*used.values()) == ACTIONS


@pytest.mark.parametrize("name", ["nothing", "a fresh clone"])
def test_a_run_in_which_nothing_changed_only_looks(used: dict[str, set[str]], name: str) -> None:
    assert used[name] == {"GetAuthorizationToken", "BatchGetImage"}


@pytest.mark.parametrize("command", ["plan", "why", "status"])
def test_what_only_reads_needs_no_right_to_write(used: dict[str, set[str]], command: str) -> None:
    reading = {"GetAuthorizationToken", "BatchGetImage", "DescribeRepositories", "GetDownloadUrlForLayer"}
    assert used[command] <= reading | {"DescribeImages", "GetLifecyclePolicy"}


def test_boto3_is_asked_for_nothing_else() -> None:
    """As the module is written: calls that no run above happened to make are seen, too."""
    text = (CHECKOUT / "tasks" / "registry" / "ecr.py").read_text()
    assert set(re.findall(r"self\._ask\(\s*\"([A-Za-z]+)\"", text)) == BY_API
    # Everything is asked through it.
    assert text.count("logged_in()") == 1


def test_only_the_instances_own_repositories_may_be_touched() -> None:
    for statement in POLICY["Statement"]:
        wanted = "*" if statement["Sid"] == "LogIn" else "arn:aws:ecr:REGION:ACCOUNT:repository/INSTANCE_ID/*"
        assert statement["Resource"] == wanted


def test_a_repositorys_policy_lets_another_account_do_all_but_log_in_and_create() -> None:
    text = (CHECKOUT / "docs" / "aws-policy.md").read_text()
    (statement,) = json.loads(re.findall("```json\n(.*?)```", text, re.DOTALL)[0])["Statement"]
    allowed = {action.removeprefix("ecr:") for action in statement["Action"]}
    assert allowed == ACTIONS - {"GetAuthorizationToken", "CreateRepository"}


def test_each_action_is_explained() -> None:
    text = (Path(CHECKOUT) / "docs" / "aws-policy.md").read_text()
    assert {name for name in ACTIONS if f"`{name}`" not in text} == set()
