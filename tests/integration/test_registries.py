"""Registries that answer otherwise than ECR does: a first push, a second one, and what they lose.

The registry is the real one of the distribution project, with a token server that grants `pull` only for what exists
(Quay), or with a proxy in front that keeps tags (Nexus, Artifactory, Harbor) or is slow to show what was pushed (GHCR).
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import socket
import subprocess
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sandbox import registry as sandbox_registry
from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import PASSWORD, USER, Sandbox
from sandbox.loopback import status
from tasks.reference import Registry, Repository
from tasks.registry.credentials import Credential
from tests.faults.proxy import FOR_EVER, Answer, Fault, Forward, Handler, Proxy
from tests.integration import images
from tests.integration.project import IMAGES, Project
from tests.integration.token_server import TokenServer
from tests.registry.server import serving

pytestmark = pytest.mark.integration

VERSION = "0.36.0"
SOME = "images=ingest,compaction-job-execution,query-lambda"
NAMES = {"ingest", "compaction-job-execution", "query-lambda"}
NO_AWS = {"REGISTRY": "oci", **dict.fromkeys(("ACCOUNT", "REGION", "AWS_ENDPOINT_URL"), "")}

_instances = itertools.count()


@dataclass
class Distribution:
    """The distribution project's registry, run by a test."""

    box: Sandbox
    environment: dict[str, str]
    configured: dict[str, object]
    server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; without a cache of what it holds, as another process of the same registry would be."""
        program = shutil.which("docker-registry")
        if program is None:
            pytest.skip("docker-registry is not installed")
        file = self.box.directory / "registry.yml"
        file.write_text(json.dumps(self.configured))
        with (self.box.directory / "log").open("ab") as log:
            self.server = subprocess.Popen(
                [program, "serve", str(file)], env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        while status(self.box.registry_port, "/v2/") not in {200, 401}:
            assert self.server.poll() is None, (self.box.directory / "log").read_text()

    def stop(self) -> None:
        """Stop it."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait()

    def lose(self, digest: str) -> None:
        """Delete a blob from its disk."""
        shutil.rmtree(self.box.registry_disk / "docker/registry/v2/blobs/sha256" / digest[:2] / digest)


@contextmanager
def distribution(box: Sandbox, engine: Engine, folder: Path, auth: dict[str, object] | None) -> Iterator[Distribution]:
    """Run a registry of a test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = replace(box, directory=folder, registry_port=port)
    own.registry_disk.mkdir()
    configured = sandbox_registry.configuration(
        address=own.docker_registry, disk=str(own.registry_disk), passwords=str(folder / "passwords")
    )
    del configured["auth"]
    if auth is not None:
        configured["auth"] = auth
    configured["storage"] = {
        "filesystem": {"rootdirectory": str(own.registry_disk)},
        "delete": {"enabled": True},
    }
    found = Distribution(own, dict(engine.environment), configured)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def tokens(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Iterator[tuple[Distribution, TokenServer]]:
    """A registry whose token server grants `pull` only for what exists."""
    folder = tmp_path / "registry"
    folder.mkdir()
    disk = folder / "registry" / "docker/registry/v2/repositories"
    server = TokenServer(Credential(USER, PASSWORD), lambda name: (disk / name / "_manifests").is_dir())
    with serving(server) as answering:
        auth = server.configure(folder, f"{answering.url}/token")
        with distribution(sandbox, engine, folder, auth) as found:
            assert (found.box.registry_disk / "docker/registry/v2/repositories") == disk
            yield found, server


def made(root: Path, box: Sandbox, engine: Engine, **variables: str) -> Project:
    """Make a project that pushes to a plain registry, logged in by the entry that an old tool left."""
    project = Project(root, box, engine, f"registries-{next(_instances)}", NO_AWS | variables)
    sample.make(project.scripts, IMAGES, VERSION)
    folder = root / "home" / ".docker"
    folder.mkdir(parents=True)
    host = variables.get("DOCKER_REGISTRY", box.docker_registry)
    login = {"username": USER, "password": PASSWORD}
    (folder / "config.json").write_text(json.dumps({"auths": {f"http://{host}/v1/": login}}))
    return project


def make_unlike_others(project: Project) -> None:
    """Give each image layers of its own.

    BuildKit remembers by the host, without its port, which repositories have a layer, and mounts it from there. To a
    test's registry that is a repository which does not exist.
    """
    for path in project.scripts.rglob("*"):
        if path.suffix == ".jar":
            with zipfile.ZipFile(path, "a") as jar:
                jar.writestr(f"{uuid.uuid4()}", "")
        elif path.name == "Dockerfile":
            path.write_text(path.read_text().replace("WORKDIR /", f"WORKDIR /{uuid.uuid4()}/"))
        elif path.is_file() and path.parent.parent.name == "docker":
            with path.open("a") as file:
                file.write(f"# {uuid.uuid4()}\n")


def change(project: Project, directory: str) -> None:
    """Change what an image is made of."""
    with (project.scripts / "docker" / directory / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")


def test_a_registry_that_hides_what_is_absent_is_pushed_to(
    tokens: tuple[Distribution, TokenServer], engine: Engine, tmp_path: Path
) -> None:
    found, server = tokens
    project = made(tmp_path, found.box, engine)
    make_unlike_others(project)
    first = project.push_all(SOME)
    assert (first.built, first.pushed) == (NAMES, NAMES)
    assert (f"repository:{project.instance}/ingest:pull", frozenset()) in server.given
    assert project.push_all(SOME).counts == (0, 0)
    change(project, "ingest")
    assert project.push_all(SOME).built == {"ingest"}


def test_plan_and_status_of_a_registry_that_hides_say_what_a_push_does(
    tokens: tuple[Distribution, TokenServer], engine: Engine, tmp_path: Path
) -> None:
    project = made(tmp_path, tokens[0].box, engine)
    planned = project.run("status", "images=ingest")
    assert planned.code == 0, planned.output
    assert "1 build" in planned.output


def test_a_wrong_password_of_a_registry_that_hides_is_told(
    tokens: tuple[Distribution, TokenServer], engine: Engine, tmp_path: Path
) -> None:
    project = made(tmp_path, tokens[0].box, engine)
    config = tmp_path / "home" / ".docker" / "config.json"
    config.write_text(config.read_text().replace(PASSWORD, "another"))
    done = project.run("push_all", "images=ingest")
    assert done.code != 0
    assert "incorrect username or password" in done.output
    assert done.built == set()


# Tags that cannot be moved


REFUSALS = {
    "nexus": (400, {"code": "BLOB_UPLOAD_INVALID", "message": "blob upload invalid", "detail": "cannot be updated"}),
    "artifactory": (403, {"code": "DENIED", "message": "Not enough permissions to delete/overwrite artifact"}),
    "harbor": (412, {"code": "PRECONDITION", "message": "configured as immutable, cannot be updated"}),
}


@dataclass
class Keeping:
    """Refuses to move BuildKit's tags, as a registry does that keeps them."""

    disk: Path
    refusal: tuple[int, dict[str, str]]

    def __call__(self, handler: Handler, forward: Forward) -> Answer:
        found = re.fullmatch(r"/v2/(.+)/manifests/([^:]+)", handler.path)
        assert found, handler.path
        if not (self.disk / found[1] / "_manifests" / "tags" / found[2]).exists():
            return forward()
        code, error = self.refusal
        return Answer(code, [("Content-Type", "application/json")], json.dumps({"errors": [error]}).encode())


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_registry_that_keeps_tags_takes_the_second_build(
    sandbox: Sandbox, engine: Engine, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    with distribution(sandbox, engine, folder, None) as found, closing(Proxy(found.box.docker_registry)) as proxy:
        project = made(tmp_path, found.box, engine, DOCKER_REGISTRY=proxy.host)
        keeping = Keeping(project.repositories.parent, REFUSALS[kind])
        proxy.script(Fault("kept", keeping, "buildkit: PUT tag", times=FOR_EVER))
        some = "images=ingest,compaction-job-execution"
        project.push_all(some)
        for directory in ("ingest", "compaction-job-execution"):
            change(project, directory)
        second = project.push_all(some)
        assert second.pushed == {"ingest", "compaction-job-execution"}
        tags = {tag for tag in project.tags()["ingest"] if tag.startswith("building")}
        assert len(tags) == 2


# What was just pushed and is not there yet, and what was lost


def test_a_registry_that_is_slow_to_show_what_was_pushed_is_waited_for(
    sandbox: Sandbox, engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    with distribution(sandbox, engine, folder, None) as found, closing(Proxy(found.box.docker_registry)) as proxy:
        project = made(tmp_path, found.box, engine, DOCKER_REGISTRY=proxy.host)

        def absent(handler: Handler, forward: Forward) -> Answer:  # noqa: ARG001  # An action's signature.
            body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            return Answer(404, [("Content-Type", "application/json")], body)

        proxy.script(Fault("slow", absent, "ours: GET manifest", times=3))
        assert project.push_all("images=ingest").pushed == {"ingest"}


@pytest.fixture
def losing(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> Iterator[tuple[Project, Distribution]]:
    """Some images in a registry without a login, that is about to lose something."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with distribution(sandbox, engine, folder, None) as found:
        project = made(tmp_path, found.box, engine)
        project.push_all(SOME)
        yield project, found


def lost_part(project: Project, found: Distribution, name: str, part: str) -> str:
    """Lose a part of an image; return its digest."""
    repository = Repository(Registry(found.box.docker_registry), f"{project.instance}/{name}")
    manifest, held = images.read(repository, project.version)
    lost = {
        "layer": lambda: held[0].manifest.layers[-1].digest,
        "config": lambda: held[0].manifest.config.digest,
        "manifest": lambda: manifest.children[-1].descriptor.digest,
    }[part]()
    found.lose(str(lost).removeprefix("sha256:"))
    return str(lost)


@pytest.mark.parametrize(
    ("name", "part"),
    [("ingest", "layer"), ("ingest", "config"), ("compaction-job-execution", "manifest"), ("query-lambda", "layer")],
)
def test_what_the_registry_lost_is_found_and_pushed_again(
    losing: tuple[Project, Distribution], name: str, part: str
) -> None:
    project, found = losing
    digest = lost_part(project, found, name, part)
    deep = project.run("status", "--deep", SOME)
    assert deep.code == 1
    assert digest.removeprefix("sha256:")[:12] in deep.output
    repair = f"push_all force=true images={name}"
    assert repair in " ".join(deep.output.split())
    project.push_all(*repair.split()[1:])
    assert project.run("status", "--deep", SOME).code == 0


def test_a_retag_of_an_image_that_lost_a_layer_is_refused(losing: tuple[Project, Distribution]) -> None:
    project, found = losing
    lost_part(project, found, "ingest", "layer")
    done = project.run("push_all", "images=ingest", "version=other")
    assert done.code != 0
    assert "other" not in done.after["ingest"]
    assert "push_all force=true images=ingest" in " ".join(done.output.split())
