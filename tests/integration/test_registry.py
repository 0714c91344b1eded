"""Our client against the sandbox's registry, which is Docker's own, and its ECR API."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.errors import CredentialsError, RegistryError
from tasks.model import Image, Kind
from tasks.reference import Registry, Repository
from tasks.registry import images, proof
from tasks.registry.auth import Authenticator, push_scope
from tasks.registry.client import Client
from tasks.registry.credentials import Credential
from tasks.registry.ecr import Ecr
from tasks.registry.http import Http
from tasks.registry.message import Request
from tasks.registry.model import Manifest, sha256
from tests.integration.api import create
from tests.integration.plain import registry_of_its_own
from tests.registry.images import DOCKER_LAYER, config, entry, image, index

pytestmark = pytest.mark.integration

PLATFORMS = ("linux/amd64", "linux/arm64")
LAYER = b"0"
"""What the layers of `tests.registry.images` hold: their number."""


class Pushed:
    """A repository that we push to as a builder does, blobs first."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        create(sandbox, name)
        self.repository = Repository(Registry(sandbox.docker_registry), name)
        token = Ecr(environment=sandbox.aws()).token()
        self.client = Client(self.repository.registry, lambda _registry, _fresh: token.credential)
        self._sender = Authenticator(Http(self.repository.registry), lambda _registry, _fresh: token.credential)

    def blob(self, content: bytes) -> None:
        scope = push_scope(self.repository)
        begun = self._sender.send(Request("POST", f"/v2/{self.repository.path}/blobs/uploads/"), scope)
        place = urlsplit(begun.headers["Location"])
        ended = Request("PUT", f"{place.path}?{place.query}&digest={sha256(content)}", body=content)
        assert self._sender.send(ended, scope).status == 201

    def image(self, platform: str, *, docker: bool = False) -> Manifest:
        made = image(config(platform), [DOCKER_LAYER], docker=True) if docker else image(config(platform))
        self.blob(config(platform))
        self.blob(LAYER)
        self.client.put(self.repository, made.digest, made)
        return made

    def index(self, *, docker: bool = False) -> Manifest:
        made = index(*(entry(self.image(one, docker=docker), one) for one in PLATFORMS), docker=docker)
        self.client.put(self.repository, made.digest, made)
        return made


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_a_manifest_of_each_kind_is_found_read_and_tagged_again_byte_for_byte(
    sandbox: Sandbox, *, several: bool, docker: bool
) -> None:
    pushed = Pushed(sandbox, f"client/{several}-{docker}".lower())
    made = pushed.index(docker=docker) if several else pushed.image("linux/amd64", docker=docker)
    for tag in ("first", "second"):
        assert pushed.client.head(pushed.repository, tag) is None
        assert pushed.client.put(pushed.repository, tag, made) == made.digest
        assert pushed.client.head(pushed.repository, tag) == made.descriptor
        assert pushed.client.manifest(pushed.repository, tag) == made


def test_what_was_pushed_is_proved(sandbox: Sandbox) -> None:
    pushed = Pushed(sandbox, "client/proved")
    several = Image("several", Kind.DEPLOYMENT, "several", platforms=PLATFORMS)
    query = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query.jar")
    made, single = pushed.index(), pushed.image("linux/amd64")
    assert proof.prove(pushed.client, pushed.repository, made.digest, several, PLATFORMS).manifest == made
    assert proof.prove(pushed.client, pushed.repository, single.digest, query, ("linux/amd64",)).manifest == single


def test_forty_tags_are_looked_up_at_once(sandbox: Sandbox) -> None:
    pushed = Pushed(sandbox, "client/looked-at")
    made = pushed.image("linux/amd64")
    tags = tuple(f"tag-{number}" for number in range(20))
    for tag in tags:
        pushed.client.put(pushed.repository, tag, made)
    absent = Repository(pushed.repository.registry, "client/never-pushed")
    found = images.look(pushed.client, {"there": (pushed.repository, tags), "absent": (absent, tags)})
    assert found == {"there": dict.fromkeys(tags, made.descriptor), "absent": dict.fromkeys(tags)}


def test_a_manifest_without_its_blobs_is_not_taken(sandbox: Sandbox) -> None:
    pushed = Pushed(sandbox, "client/hollow")
    with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN"):
        pushed.client.put(pushed.repository, "hollow", image(b"{}"))


def test_another_password_is_refused(sandbox: Sandbox, engine: Engine, tmp_path: Path) -> None:
    with registry_of_its_own(sandbox, engine, tmp_path, login=True) as box:
        registry = Registry(box.docker_registry)
        stranger = Client(registry, lambda _registry, _fresh: Credential("AWS", "hunter2"))
        with pytest.raises(CredentialsError, match="refused the login of 'AWS'") as caught:
            stranger.head(Repository(registry, "client/any"), "tag")
    assert "hunter2" not in str(caught.value)
