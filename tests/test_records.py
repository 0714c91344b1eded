from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import sample
from tasks.configuration import settings
from tasks.image.collect import Collected, Collector
from tasks.image.jar.cache import Digests
from tasks.model import Image, Kind
from tasks.records import Records
from tasks.registry import record
from tasks.registry.client import Client
from tasks.registry.record import attach
from tasks.registry.target import Target
from tests import trees
from tests.registry.holding import Registry, running
from tests.registry.images import config, image
from tests.registry.server import Answer, Asked

IMAGE = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
PUSHED = image(config())


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    sample.make(tmp_path / "scripts", [IMAGE], "1")
    return tmp_path / "scripts"


def collected(scripts: Path) -> Collected:
    found = settings.load({"scripts_dir": str(scripts)}, {}, scripts)
    result = Collector(found, {}, Digests(None)).collect([IMAGE])[IMAGE.name]
    assert isinstance(result, Collected)
    return result


def target(client: Client, root: Path) -> Target:
    given = {"docker_registry": str(client.registry), "registry": "oci", "instance_id": "mine"}
    return Target(settings.load(given, {}, root), {}, lambda _registry, _fresh: None)


class Refusing(Registry):
    """A registry that takes no blobs."""

    def answer(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            self.asked.append(asked)
            return Answer(403, body=b'{"errors": [{"code": "DENIED", "message": "no uploads"}]}')
        return super().answer(asked)


def test_what_was_kept_is_compared_with(scripts: Path) -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        records = Records(target(client, scripts), Digests(None))
        assert records.keep(repository, registry.put(PUSHED), records.begin(collected(scripts))) == ""
        edited = trees.rewrite(scripts / "jars" / "query-1.jar", edited=True)
        (found,) = records.compare({"it": (repository, PUSHED.digest, collected(scripts))}).values()
    assert found.changes is not None
    (change,) = found.changes
    assert [entry.name for entry in change.entries or ()] == [edited]


def test_equal_inputs_differ_in_nothing(scripts: Path) -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        records = Records(target(client, scripts), Digests(None))
        records.keep(repository, registry.put(PUSHED), records.begin(collected(scripts)))
        trees.rebuild(scripts, shuffled=True)
        (found,) = records.compare({"it": (repository, PUSHED.digest, collected(scripts))}).values()
    assert (found.changes, found.omitted) == ((), "")


def test_what_was_tried_meanwhile_and_gave_the_same_image_differs_in_nothing(scripts: Path) -> None:
    notes, registry = scripts / "docker" / "lambda" / "notes.txt", Registry()
    with running(registry) as (client, repository):
        records = Records(target(client, scripts), Digests(None))
        for text in ("first", "second"):
            notes.write_text(text)
            records.keep(repository, registry.put(PUSHED), records.begin(collected(scripts)))
        notes.write_text("first")
        (found,) = records.compare({"it": (repository, PUSHED.digest, collected(scripts))}).values()
    assert found.changes == ()


def test_a_registry_that_refuses_is_told_once_and_not_asked_again(scripts: Path) -> None:
    registry = Refusing()
    with running(registry) as (client, repository):
        records = Records(target(client, scripts), Digests(None))
        notes = [records.keep(repository, registry.put(PUSHED), records.begin(collected(scripts))) for _ in range(3)]
    assert "no uploads" in notes[0]
    assert "\n" not in notes[0]
    assert notes[1:] == ["", ""]
    assert sum(asked.method == "POST" for asked in registry.asked) == 1


def test_an_image_without_a_record_says_so(scripts: Path) -> None:
    with running(Registry()) as (client, repository):
        wanted = {"it": (repository, PUSHED.digest, collected(scripts))}
        (found,) = Records(target(client, scripts), Digests(None)).compare(wanted).values()
    assert found.changes is None
    assert found.omitted == f"the registry has no record of what {PUSHED.digest.short} was made of"


def test_a_record_that_cannot_be_read_says_why(scripts: Path) -> None:
    registry = Registry()
    with running(registry) as (client, repository):
        attach(client, repository, registry.put(PUSHED), record.ARTIFACT_TYPE, (record.LAYER_TYPE, b"not gzip"))
        wanted = {"it": (repository, PUSHED.digest, collected(scripts))}
        (found,) = Records(target(client, scripts), Digests(None)).compare(wanted).values()
    assert found.changes is None
    assert "cannot be unpacked" in found.omitted
