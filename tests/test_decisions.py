from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import settings
from tasks.decision import Blocked, Build, Current, Retag, Unknown
from tasks.decisions import Decisions
from tasks.errors import (
    ChangedWhileBuildingError,
    CredentialsError,
    InputError,
    MissingInputError,
    RegistryError,
    SettingsError,
    SleeperImagesError,
)
from tasks.image.collect import Collected, Collector
from tasks.image.fingerprint import inputs_tag
from tasks.image.jar.cache import Digests
from tasks.model import Image, Kind
from tasks.reference import Digest, Repository, Tag
from tasks.registry.client import Client
from tasks.registry.http import Http
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, sha256
from tasks.registry.target import Target
from tasks.system.backoff import Budget
from tests.registry.server import RESET, Answer, Asked, Server, serving

VERSION = "1.2.3"
INGEST = Image("ingest", Kind.DEPLOYMENT, "ingest")
COMPACTION = Image("compaction", Kind.DEPLOYMENT, "compaction", platforms=("linux/amd64", "linux/arm64"))
QUERY = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
IMAGES = (INGEST, COMPACTION, QUERY)
ONE, OTHER = sha256(b"one"), sha256(b"other")


class Holding(Target):
    """A target that notes what is asked besides manifests, and in which these tags cannot be moved."""

    def __init__(self, found: settings.Settings, client: Client) -> None:
        super().__init__(found, {}, lambda _registry, _fresh: None)
        vars(self)["client"] = client  # Where the locked property keeps it.
        self.immovable: set[str] = set()
        self.asked_about: list[set[str]] = []
        self.logged_in = threading.Event()

    def log_in(self) -> None:
        self.logged_in.set()

    def immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        given = set(tags)
        self.asked_about.append({tag.name for tag in given})
        return {tag for tag in given if tag.name in self.immovable}


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    sample.make(tmp_path / "scripts", IMAGES, VERSION)
    return tmp_path / "scripts"


class World:
    """A scripts directory, a registry, and decisions about both."""

    def __init__(self, scripts: Path, server: Server, held: dict[str, tuple[Digest, str]]) -> None:
        self.server = server
        self.held = held
        given = {"docker_registry": str(server.registry), "registry": "oci", "instance_id": "mine"}
        self.settings = settings.load({"scripts_dir": str(scripts), **given}, {}, scripts)
        http = Http(server.registry, sleep=lambda _: None, budget=Budget(attempts=1))
        client = Client(server.registry, lambda _registry, _fresh: None, http=http)
        self.holding = Holding(self.settings, client)
        self.collector = Collector(self.settings, {}, Digests(None, workers=1))

    def decisions(self, images: Iterable[Image] = IMAGES, *, force: bool = False) -> Decisions:
        return Decisions(self.collector, self.holding, replace(self.settings, force=force), images)

    def tag(self, image: Image) -> str:
        return inputs_tag(self.decisions().collected(image).inputs.fingerprint())

    def hold(self, image: Image, tag: str, digest: Digest = ONE) -> None:
        self.held[f"{image.name}:{tag}"] = digest, OCI_INDEX if image.multiplatform else OCI_MANIFEST

    def hold_current(self, *images: Image) -> None:
        for image in images:
            self.hold(image, self.tag(image))
            self.hold(image, VERSION)


@pytest.fixture
def world(scripts: Path) -> Iterator[World]:
    held: dict[str, tuple[Digest, str]] = {}

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        _, _, _, name, _, tag = asked.target.split("/")
        if f"{name}:{tag}" not in held:
            return Answer(404)
        digest, kind = held[f"{name}:{tag}"]
        return Answer(200, {"Content-Type": kind, "Docker-Content-Digest": str(digest), "Content-Length": "3"})

    with serving(answer) as server:
        yield World(scripts, server, held)


def test_the_login_is_fetched_while_inputs_are_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    original = world.collector.collect
    seen: list[bool] = []

    def collect(images: Iterable[Image]) -> Mapping[str, Collected | InputError]:
        seen.append(world.holding.logged_in.wait(30))
        return original(images)

    monkeypatch.setattr(world.collector, "collect", collect)
    world.decisions().of(INGEST)
    assert seen == [True]


def test_without_a_login_nothing_is_known_and_nobody_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CredentialsError("AWS refused", "use another profile")

    def refuse() -> None:
        raise refused

    monkeypatch.setattr(world.holding, "log_in", refuse)
    assert world.decisions().of(INGEST) == Unknown(refused)
    assert world.server.asked == []


def test_what_the_registry_does_not_hold_is_built(world: World) -> None:
    assert world.decisions().of(INGEST) == Build("these inputs are not in the registry")


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_what_is_under_both_tags_is_current(world: World, image: Image) -> None:
    world.hold_current(image)
    assert world.decisions().of(image) == Current(ONE)


def test_what_lacks_the_version_tag_is_retagged(world: World) -> None:
    world.hold(INGEST, world.tag(INGEST))
    decided = world.decisions().of(INGEST)
    assert isinstance(decided, Retag)
    assert decided.digest == ONE


def test_a_version_tag_on_another_image_moves(world: World) -> None:
    world.hold(INGEST, world.tag(INGEST))
    world.hold(INGEST, VERSION, OTHER)
    assert isinstance(world.decisions().of(INGEST), Retag)


def test_an_index_under_a_lambdas_tag_is_no_image_of_it(world: World) -> None:
    world.hold_current(QUERY)
    world.held[f"{QUERY.name}:{world.tag(QUERY)}"] = ONE, OCI_INDEX
    decided = world.decisions().of(QUERY)
    assert isinstance(decided, Build)
    assert "wrong kind" in decided.reason


def test_force_builds_everything(world: World) -> None:
    world.hold_current(*IMAGES)
    decisions = world.decisions(force=True)
    assert [decisions.of(image) for image in IMAGES] == [Build("forced")] * 3


def test_the_first_question_decides_on_all_images_and_asks_the_registry_once(world: World) -> None:
    decisions = world.decisions()
    decisions.of(INGEST)
    asked = world.server.count("HEAD")
    for image in IMAGES:
        decisions.of(image)
    assert asked == world.server.count("HEAD") == 6


def test_many_threads_that_ask_at_once_get_one_answer(world: World) -> None:
    decisions, together = world.decisions(), threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        together.wait(10)
        found.append(decisions.of(INGEST))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8
    assert world.server.count("HEAD") == 6


def test_an_image_that_was_not_expected_is_decided_too(world: World) -> None:
    world.hold_current(QUERY)
    assert world.decisions(()).of(QUERY) == Current(ONE)
    assert world.server.count("HEAD") == 2


def test_missing_inputs_block_their_own_image_alone(world: World, scripts: Path) -> None:
    world.hold_current(INGEST)
    (scripts / "jars" / f"query-{VERSION}.jar").unlink()
    decisions = world.decisions()
    decided = decisions.of(QUERY)
    assert isinstance(decided, Blocked)
    assert isinstance(decided.error, MissingInputError)
    assert decisions.of(INGEST) == Current(ONE)
    with pytest.raises(MissingInputError, match="query-lambda"):
        decisions.collected(QUERY)


def test_a_registry_that_does_not_answer_leaves_everything_unknown(scripts: Path) -> None:
    with serving(lambda _: RESET) as gone:
        decisions = World(scripts, gone, {}).decisions()
        found = [decisions.of(image) for image in IMAGES]
    assert {type(one) for one in found} == {Unknown}


def test_no_target_is_no_exception_but_an_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_image: Image) -> Repository:
        raise SettingsError("INSTANCE_ID is not set", "set it")

    monkeypatch.setattr(world.holding, "repository", nowhere)
    decided = world.decisions().of(INGEST)
    assert isinstance(decided, Unknown)
    assert decided.error.next_step == "set it"


def test_a_version_that_can_be_no_tag_is_no_exception_but_an_answer(world: World) -> None:
    world.settings = replace(world.settings, version="not a tag")
    assert isinstance(world.decisions().of(INGEST), Unknown)


def test_a_version_tag_that_cannot_move_blocks_before_anything_is_built(world: World) -> None:
    world.hold(INGEST, VERSION, OTHER)
    world.holding.immovable = {VERSION}
    decided = world.decisions().of(INGEST)
    assert isinstance(decided, Blocked)
    assert isinstance(decided.error, RegistryError)
    assert str(OTHER) in decided.error.message
    assert "version=" in decided.error.next_step


def test_an_immutable_tag_that_need_not_move_blocks_nothing(world: World) -> None:
    world.hold_current(INGEST)
    world.holding.immovable = {VERSION}
    decisions = world.decisions()
    assert decisions.of(INGEST) == Current(ONE)
    assert isinstance(decisions.of(QUERY), Build)
    assert world.holding.asked_about == []


def test_it_is_asked_once_which_tags_cannot_move(world: World) -> None:
    for image in IMAGES:
        world.hold(image, VERSION, OTHER)
    decisions = world.decisions()
    for image in IMAGES:
        decisions.of(image)
    assert world.holding.asked_about == [{VERSION}]


def test_what_was_pushed_is_settled(world: World) -> None:
    decisions = world.decisions()
    decisions.of(INGEST)
    decisions.settle(INGEST, OTHER)
    assert decisions.of(INGEST) == Current(OTHER)


def test_unchanged_inputs_are_unchanged(world: World, scripts: Path) -> None:
    decisions = world.decisions()
    collected = decisions.collected(INGEST)
    (scripts / "docker" / "ingest" / "Dockerfile").touch()
    decisions.check_unchanged(collected)


@pytest.mark.parametrize(
    ("name", "content"),
    [("Dockerfile", b"FROM scratch\n"), ("ingest.jar", b"other"), ("ingest.jar", None), ("more", b"")],
    ids=["Dockerfile", "jar", "removed", "added"],
)
def test_inputs_that_changed_are_named(world: World, scripts: Path, name: str, content: bytes | None) -> None:
    decisions = world.decisions()
    collected = decisions.collected(INGEST)
    path = scripts / "docker" / "ingest" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ChangedWhileBuildingError, match=f"the inputs changed during the build .*{name}") as fault:
        decisions.check_unchanged(collected)
    assert (fault.value.image, fault.value.next_step) == ("ingest", "run again")


def test_a_directory_that_vanishes_is_a_change(world: World, scripts: Path) -> None:
    decisions = world.decisions()
    collected = decisions.collected(INGEST)
    (scripts / "docker" / "ingest").rename(scripts / "docker" / "elsewhere")
    with pytest.raises(ChangedWhileBuildingError):
        decisions.check_unchanged(collected)


def test_without_a_scripts_directory_every_image_is_blocked_and_nothing_is_raised(world: World, scripts: Path) -> None:
    scripts.rename(scripts.with_name("elsewhere"))
    decisions = world.decisions()
    for image in IMAGES:
        decided = decisions.of(image)
        assert isinstance(decided, Blocked)
        assert isinstance(decided.error, SleeperImagesError)
    assert world.server.asked == []
