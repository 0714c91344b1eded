from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks import run_context
from tasks.configuration import bases as bases_lock
from tasks.configuration import catalogue
from tasks.engine.progress import Progress
from tasks.refresh import refresh
from tasks.registry.credentials import Credential
from tasks.registry.model import OCI_MANIFEST, sha256
from tests.contexts import INGEST, INGEST_RUNNER, QUERY, world
from tests.registry.server import Answer, Asked, serving


def test_a_run_is_about_what_was_asked_for_and_else_about_what_is_selected(tmp_path: Path) -> None:
    with world(tmp_path, images="ingest*") as here:
        context = here.context
        assert context.asked == run_context.Asked(pushes=(INGEST, INGEST_RUNNER))
        context.ask(pushes=[QUERY], loads=[INGEST])
        assert context.asked == run_context.Asked(pushes=(QUERY,), loads=(INGEST,))
        context.ask(pushes=[], loads=[])
        assert context.asked == run_context.Asked()


def test_the_first_question_is_answered_for_every_image_that_the_run_is_about(tmp_path: Path) -> None:
    with world(tmp_path, images="ingest*") as here:
        here.context.ask(pushes=[QUERY], loads=[INGEST])
        here.context.decisions.of(QUERY)
        assert set(here.context.decisions.known()) == {QUERY.name, INGEST.name}


def test_a_refused_login_is_replaced_once_however_many_builds_were_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    given: list[int] = []

    def answer(_: Asked) -> Answer:
        given.append(len(given))
        entry = {
            "authorizationToken": base64.b64encode(f"AWS:{given[-1]}".encode()).decode(),
            "expiresAt": (datetime.now(UTC) + timedelta(hours=12)).timestamp(),
            "proxyEndpoint": "https://123456789012.dkr.ecr.eu-west-2.amazonaws.com",
        }
        return Answer(200, body=json.dumps({"authorizationData": [entry]}).encode())

    with serving(answer) as aws, world(tmp_path, registry="ecr", region="eu-west-2", aws_endpoint_url=aws.url) as here:
        registry = here.context.target.registry
        refused = here.context.target.credential(registry)
        for _ in range(3):
            here.context.target.renew_login(refused)
        assert refused == Credential("AWS", "0")
        assert here.context.target.credential(registry) == Credential("AWS", "1")


def test_a_stand_in_for_aws_may_name_a_registry_on_loopback_by_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def answer(asked: Asked) -> Answer:
        if asked.method != "POST":
            return Answer(404)
        entry = {
            "authorizationToken": base64.b64encode(b"AWS:secret").decode(),
            "expiresAt": (datetime.now(UTC) + timedelta(hours=12)).timestamp(),
            "proxyEndpoint": f"http://{asked.headers['host']}",
        }
        return Answer(200, body=json.dumps({"authorizationData": [entry]}).encode())

    with (
        serving(answer) as aws,
        world(tmp_path, registry="ecr", region="us-east-1", docker_registry="", aws_endpoint_url=aws.url) as here,
    ):
        assert here.context.target.registry == aws.registry
        assert here.context.target.client.head(here.context.target.repository(INGEST), "1.2.3") is None


def test_where_mutability_may_not_be_asked_the_registry_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is built under a tag that may be one that cannot be moved."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    denied = Answer(400, body=json.dumps({"__type": "AccessDeniedException", "message": "not you"}).encode())
    with (
        serving(lambda _: denied) as aws,
        world(tmp_path, registry="ecr", region="eu-west-2", aws_endpoint_url=aws.url) as here,
    ):
        tag = here.context.target.repository(INGEST).tag("1.2.3")
        assert here.context.target.immutable([tag]) == set()
        places = [here.context.target.repository(image) for image in here.context.asked.pushes]
        tags = {here.context.repositories.building_tag(place, places) for place in places}
        assert all(tag.startswith("building-") for tag in tags)
        assert len(tags) == len(places)


def test_a_plain_registry_is_asked_for_no_mutability(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        assert here.context.target.immutable([here.context.target.repository(INGEST).tag("1.2.3")]) == set()
        place = here.context.target.repository(INGEST)
        assert here.context.repositories.building_tag(place, [place]) == "building"
        here.context.repositories.refuse_building_tag([place])
        assert here.context.repositories.building_tag(place, [place]) != "building"


@pytest.mark.parametrize("server", ["registry.example:5000", "https://registry.example:5000/v1/"])
def test_docker_is_answered_for_a_host_and_for_a_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    login = {"auths": {"registry.example:5000": {"auth": base64.b64encode(b"me:secret").decode()}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with world(tmp_path) as here:
        assert here.context.docker._credential(server) == Credential("me", "secret")


OTHER = {"other.example/x:1": f"sha256:{'0' * 64}"}


def test_a_refreshed_base_leaves_the_locks_of_images_that_are_not_selected(tmp_path: Path) -> None:
    digest = sha256(b"today's")
    held = Answer(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(digest), "Content-Length": "1"})
    with (
        serving(lambda asked: held if asked.method == "HEAD" else Answer()) as registry,
        world(tmp_path, OTHER, images="ingest") as here,
    ):
        context, name = here.context, f"{registry.registry}/base:1"
        (context.settings.scripts_dir / "docker" / "ingest" / "Dockerfile").write_text(f"FROM {name}\n")
        found = refresh(context.bases, context.catalogue, context.selected, context.settings)
        assert found.locked == {name: str(digest)}
        assert context.bases.locked == {**OTHER, name: str(digest)}
        assert bases_lock.read(catalogue.lock_path(context.catalogue.path)) == context.bases.locked
        assert context.decisions.collected(INGEST).inputs.bases == ((name, str(digest)),)


def test_progress_is_told_to_whoever_listens_and_lost_otherwise(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    with world(tmp_path) as here:
        channel = here.context.channel
        build = channel.listener("push:ingest")
        build(Progress("before"))
        channel.listen(lambda task, progress: told.append((task, progress.step)))
        build(Progress("meanwhile"))
        channel.listen(None)
        build(Progress("after"))
    assert told == [("push:ingest", "meanwhile")]
