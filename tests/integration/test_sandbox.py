"""The sandbox itself: real servers, started, used, stopped."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox import ecr, servers
from sandbox.engine import Engine
from sandbox.layout import ACCOUNT, USER, Sandbox
from sandbox.loopback import taken
from sandbox.process import Server
from sandbox.registry import IMAGE as REGISTRY_IMAGE
from tasks.errors import EngineError
from tasks.system import processes
from tests.integration.api import client, create
from tests.integration.conftest import new_sandbox, start, usable
from tests.integration.programs import copy_with_libraries

pytestmark = [pytest.mark.integration, pytest.mark.engine]

INDEX = "application/vnd.oci.image.index.v1+json"
NAMES = ("containerd", "dockerd", "registry", "aws", "front")


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox that one test may stop and remove; it does not run yet."""
    box = new_sandbox()
    yield box
    servers.remove(box)


def token(box: Sandbox) -> str:
    """Return what ECR hands out: `user:password` in base64."""
    return str(client(box, "ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"])


def ask(box: Sandbox, path: str, authorization: str = "", accept: str = "*/*") -> tuple[int, dict[str, str]]:
    headers = {"Accept": accept} | ({"Authorization": f"Basic {authorization}"} if authorization else {})
    with closing(http.client.HTTPConnection(box.docker_registry, timeout=10)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def log_in(box: Sandbox, used: Engine, directory: Path) -> dict[str, str]:
    """Log docker in with ECR's token; return the environment in which it is."""
    environment = {**used.environment, "DOCKER_CONFIG": str(directory)}
    password = base64.b64decode(token(box)).decode().removeprefix(f"{USER}:")
    command = ["docker", "login", "--username", USER, "--password-stdin", box.docker_registry]
    processes.check(command, environment=environment, stdin=password, next_step="")
    return environment


def command_lines(box: Sandbox) -> list[str]:
    """Return the command lines that name the sandbox's directories or its API's port."""
    marks = (str(box.directory), str(box.runtime), f"--port\0{box.api_port}")
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        if any(mark in line for mark in marks):
            found.append(line)
    return found


def pids(box: Sandbox) -> dict[str, int | None]:
    return {name: Server(name, box.state, box.logs).pid() for name in NAMES}


def test_ecrs_token_opens_the_registry(sandbox: Sandbox) -> None:
    assert ask(sandbox, "/v2/", token(sandbox))[0] == http.HTTPStatus.OK


def test_the_registry_refuses_another_password(sandbox: Sandbox) -> None:
    wrong = base64.b64encode(f"{USER}:wrong".encode()).decode()

    assert ask(sandbox, "/v2/", wrong)[0] == http.HTTPStatus.BAD_REQUEST


def test_the_account_is_the_settings(sandbox: Sandbox) -> None:
    assert client(sandbox, "sts").get_caller_identity()["Account"] == ACCOUNT == sandbox.settings()["ACCOUNT"][0]


def test_ecr_makes_repositories(sandbox: Sandbox) -> None:
    made = client(sandbox, "ecr").create_repository(repositoryName="test/made")

    assert made["repository"]["repositoryArn"].endswith(f":{ACCOUNT}:repository/test/made")


def test_buildx_pushes_an_image_of_two_platforms(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> None:
    context, metadata = tmp_path / "context", tmp_path / "metadata.json"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    repository = "test/two-platforms"
    create(sandbox, repository)
    output = f"type=image,name={sandbox.docker_registry}/{repository}:building,push=true,oci-mediatypes=true"

    processes.check(
        [
            *("docker", "buildx", "build", "--provenance=false", "--sbom=false", "--platform=linux/amd64,linux/arm64"),
            *("--output", output, "--metadata-file", str(metadata), str(context)),
        ],
        environment=log_in(sandbox, engine, tmp_path / "docker"),
        next_step="",
    )

    status, headers = ask(sandbox, f"/v2/{repository}/manifests/building", token(sandbox), INDEX)
    assert (status, headers["content-type"]) == (http.HTTPStatus.OK, INDEX)
    assert headers["docker-content-digest"] == json.loads(metadata.read_text())["containerimage.digest"]


def test_run_in_a_dockerfile_works(engine: Engine, tmp_path: Path) -> None:
    copy_with_libraries("/bin/sh", tmp_path / "root")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY root/ /\nRUN echo ran > /ran\n")

    processes.check(["docker", "buildx", "build", str(tmp_path)], environment=engine.environment, next_step="")


def test_starting_again_starts_nothing(sandbox: Sandbox) -> None:
    before = pids(sandbox)

    servers.start(sandbox, ())

    assert pids(sandbox) == before


def test_looking_whether_everything_runs_takes_less_than_100_ms(sandbox: Sandbox) -> None:
    started = time.perf_counter()

    assert servers.running(sandbox)

    assert time.perf_counter() - started < 0.1


def test_stopping_leaves_nothing(own: Sandbox) -> None:
    start(own)
    assert command_lines(own)

    servers.stop(own)

    assert not command_lines(own)
    assert not Path("/sys/class/net", own.bridge).exists()
    assert str(own.directory) not in Path("/proc/self/mounts").read_text()
    assert not taken(own.registry_port)
    assert not taken(own.api_port)


def test_what_the_registry_held_survives_a_stop(own: Sandbox, tmp_path: Path) -> None:
    used = usable(own, start(own))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    name = f"{own.docker_registry}/test/kept:1"
    environment = log_in(own, used, tmp_path / "docker")
    create(own, "test/kept")
    command = ["docker", "buildx", "build", "--output", f"type=image,name={name},push=true", str(tmp_path)]
    processes.check(command, environment=environment, next_step="")

    servers.stop(own)
    start(own)

    assert ask(own, "/v2/test/kept/manifests/1", token(own), INDEX)[0] == http.HTTPStatus.OK


def test_a_server_that_was_killed_is_started_again(own: Sandbox) -> None:
    start(own)
    before = pids(own)
    # Where the engine is the user's, dockerd does not belong to the sandbox.
    killed = {pid for pid in (before["dockerd"], before["aws"]) if pid is not None}
    for pid in killed:
        os.kill(pid, 9)

    start(own)

    assert killed
    assert servers.running(own)
    assert not killed & set(pids(own).values())


def test_stopping_twice_is_no_fault(own: Sandbox) -> None:
    start(own)
    servers.stop(own)

    servers.stop(own)

    assert not servers.running(own)


def test_a_port_that_another_program_has_is_an_error_that_names_the_variable(sandbox: Sandbox, own: Sandbox) -> None:
    clash = Sandbox(own.directory, sandbox.registry_port, sandbox.api_port, own.runtime)

    with pytest.raises(EngineError, match=str(sandbox.api_port)) as fault:
        ecr.start(clash)

    assert "SANDBOX_API_PORT" in fault.value.next_step


def test_the_users_engine_is_used_where_it_can_do_what_is_needed(
    engine: Engine, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)

    used = start(own)

    assert not used.private
    assert used.host == engine.host
    assert pids(own)["dockerd"] is None


def test_stopping_leaves_the_users_engine_alone(own: Sandbox, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    start(own)

    servers.stop(own)

    processes.check(["docker", "version"], environment=engine.environment, next_step="")


@pytest.fixture
def users(engine: Engine, own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """The socket of an engine that the user named, and that a sandbox was started with."""
    if not engine.host.startswith("unix://"):
        pytest.skip("the engine is not at a socket of this machine")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    start(own)
    return engine.host.removeprefix("unix://")


def test_a_sandbox_runs_where_its_engine_is_named_by_another_path(
    own: Sandbox, users: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker.sock").symlink_to(users)

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")

    assert servers.running(own)


def test_a_sandbox_runs_where_its_engine_is_named_by_a_context(
    own: Sandbox, users: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    create = ["docker", "context", "create", "mine", "--docker", f"host=unix://{users}"]
    processes.check(create, environment=os.environ, next_step="")

    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "mine")

    assert servers.running(own)


@pytest.mark.usefixtures("users")
def test_a_sandbox_does_not_run_where_another_engine_is_named(
    own: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/another.sock")

    assert not servers.running(own)


@pytest.fixture
def registry_image(engine: Engine, tmp_path: Path) -> Iterator[None]:
    """The registry's image in the engine; where it is not there, it is made of the program that Debian packages."""
    if processes.run(["docker", "image", "inspect", REGISTRY_IMAGE], environment=engine.environment).code == 0:
        # The user's own, which must be there afterwards.
        yield
        return
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry here to make an image of; the sandbox uses the one that it pulled")
    copy_with_libraries(program, tmp_path / "root")
    (tmp_path / "Dockerfile").write_text(f'FROM scratch\nCOPY root/ /\nENTRYPOINT ["{program}", "serve"]\n')
    command = ["docker", "buildx", "build", "--load", "--tag", REGISTRY_IMAGE, str(tmp_path)]
    processes.check(command, environment=engine.environment, next_step="")
    yield
    processes.check(["docker", "image", "rm", "--force", REGISTRY_IMAGE], environment=engine.environment, next_step="")


@pytest.mark.usefixtures("registry_image")
def test_the_registry_is_a_container_on_the_users_engine(
    engine: Engine, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)

    start(own)

    assert pids(own)["registry"] is None
    assert ask(own, "/v2/", token(own))[0] == http.HTTPStatus.OK


@pytest.mark.usefixtures("registry_image")
def test_stopping_removes_the_registrys_container(
    engine: Engine, own: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    start(own)
    # As in another shell.
    monkeypatch.delenv("DOCKER_HOST")

    servers.stop(own)

    listed = processes.check(["docker", "ps", "--all"], environment=engine.environment, next_step="")
    assert own.registry_container not in listed.output
    assert not taken(own.registry_port)
