from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import layout, sample
from tasks.commands.plan import Planned, file_of, plan
from tasks.configuration import settings
from tasks.image.fingerprint import inputs_tag
from tasks.model import Builder, Catalogue, Image, Kind
from tasks.registry.model import DOCKER_LIST, Manifest
from tasks.run_context import RunContext
from tests import trees
from tests.commands.test_settings import DODO
from tests.registry.holding import Registry, running
from tests.registry.images import config, encoded, image
from tests.registry.server import Answer, Asked

INGEST = Image("ingest", Kind.DEPLOYMENT, "ingest")
PUSHED = image(config())
VERSION = "1"


@dataclass
class Checkout:
    """A scripts directory and the registry that it is pushed to."""

    root: Path
    registry: Registry

    @property
    def scripts(self) -> Path:
        return self.root / "scripts"

    @property
    def folder(self) -> Path:
        return self.scripts / "docker" / "ingest"

    @contextmanager
    def context(self, **variables: str) -> Iterator[RunContext]:
        with running(self.registry) as (client, _):
            given = {
                "docker_registry": str(client.registry),
                "registry": "oci",
                "instance_id": "mine",
                "scripts_dir": str(self.scripts),
                "state_dir": str(self.root / "state"),
                **variables,
            }
            catalogue = Catalogue(self.root / "catalogue.yaml", (INGEST,), Builder("b"), ())
            sandbox = layout.defaults(self.root / "sandbox")
            yield RunContext.of(settings.load(given, {}, self.root), catalogue, sandbox, {})

    def plan(self, *, whole: bool = False, **variables: str) -> Planned:
        with self.context(**variables) as context:
            (found,) = plan(context, [INGEST], {}, whole=whole).images
            return found

    def push(self, manifest: Manifest = PUSHED) -> str:
        """Leave the registry as a push does; return the inputs tag."""
        with self.context() as context:
            collected = context.decisions.collected(INGEST)
            tag = inputs_tag(collected.inputs.fingerprint())
            held = self.registry.put(manifest, tag, VERSION)
            assert context.records.keep(context.target.repository(INGEST), held, context.records.begin(collected)) == ""
            return tag


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = Checkout(tmp_path, Registry())
    sample.make(found.scripts, [INGEST], VERSION)
    return found


def test_a_file_whose_setuid_bit_is_lost_is_named(checkout: Checkout) -> None:
    (checkout.folder / "su").write_text("#!/bin/sh\n")
    (checkout.folder / "su").chmod(0o4755)
    assert checkout.plan().special == ("docker/ingest/su",)


def test_what_is_nowhere_is_to_be_built(checkout: Checkout) -> None:
    found = checkout.plan()
    assert (found.state, found.reason) == ("build", "not in the registry")
    assert found.comparison is None


def test_all_of_a_first_image_is_to_be_sent(checkout: Checkout) -> None:
    assert checkout.plan().size == sum(path.stat().st_size for path in checkout.folder.iterdir())


def test_what_is_there_is_current(checkout: Checkout) -> None:
    checkout.push()
    found = checkout.plan()
    assert (found.state, found.reason, found.digest, found.size) == ("current", "", PUSHED.digest, 0)


def test_an_entry_that_differs_is_named(checkout: Checkout) -> None:
    checkout.push()
    edited = trees.rewrite(checkout.folder / "ingest.jar", edited=True)
    found = checkout.plan()
    assert (found.state, found.reason) == ("build", f"ingest.jar: 1 entry changed: {edited}")


def test_only_files_that_differ_are_to_be_sent(checkout: Checkout) -> None:
    checkout.push()
    (checkout.folder / "run.sh").write_text("#!/bin/sh\n")
    found = checkout.plan()
    assert (found.reason, found.size) == ("docker/ingest/run.sh added", 10)


def test_a_lost_inputs_tag_is_told_from_a_change(checkout: Checkout) -> None:
    tag = checkout.push()
    del checkout.registry.manifests[tag]
    found = checkout.plan()
    assert found.state == "build"
    assert found.reason == "the image under 1 has these inputs, but its inputs tag was deleted"


def test_a_lost_version_tag_is_to_be_put_again(checkout: Checkout) -> None:
    checkout.push()
    del checkout.registry.manifests[VERSION]
    found = checkout.plan()
    assert (found.state, found.reason) == ("retag", "not yet tagged 1")


def test_an_image_without_a_record_is_built_for_what_is_known(checkout: Checkout) -> None:
    checkout.registry.put(PUSHED, VERSION)
    found = checkout.plan()
    assert found.state == "build"
    assert found.reason == (
        f"these inputs are not in the registry; the registry has no record of what {PUSHED.digest.short} was made of"
    )


def test_an_image_of_the_wrong_kind_is_built_for_that(checkout: Checkout) -> None:
    checkout.push(Manifest(DOCKER_LIST, encoded({"schemaVersion": 2, "manifests": []})))
    assert "has the wrong kind" in checkout.plan().reason


def test_a_forced_build_says_so(checkout: Checkout) -> None:
    checkout.push()
    found = checkout.plan(force="true")
    assert (found.state, found.reason) == ("build", "forced")


def test_what_is_missing_here_blocks_and_says_what_to_do(checkout: Checkout) -> None:
    (checkout.folder / "Dockerfile").unlink()
    found = checkout.plan()
    assert (found.state, found.fingerprint, found.size) == ("blocked", None, None)
    assert "Dockerfile does not exist" in found.reason
    assert "Maven" in found.next_step


def test_a_registry_that_refuses_leaves_it_unknown(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "answer", lambda _self, _asked: Answer(403))
    found = checkout.plan()
    assert (found.state, found.size) == ("unknown", None)
    assert "403" in found.reason


def test_a_base_of_which_only_the_name_counts_is_noted(checkout: Checkout) -> None:
    (checkout.folder / "Dockerfile").write_text("FROM debian:12\n")
    checkout.push()
    assert checkout.plan().unpinned == ("debian:12",)


def records_asked(registry: Registry) -> list[Asked]:
    return [asked for asked in registry.asked if "/referrers/" in asked.target]


def test_records_are_read_only_of_what_would_be_built(checkout: Checkout) -> None:
    checkout.push()
    checkout.registry.asked.clear()
    checkout.plan()
    assert records_asked(checkout.registry) == []
    (checkout.folder / "run.sh").write_text("")
    checkout.plan()
    assert len(records_asked(checkout.registry)) == 1


def test_a_retag_is_compared_where_the_whole_story_is_asked_for(checkout: Checkout) -> None:
    checkout.push()
    before = checkout.plan().fingerprint
    (checkout.folder / "run.sh").write_text("")
    checkout.push(image(config("linux/arm64")))
    (checkout.folder / "run.sh").unlink()
    found = checkout.plan(whole=True)
    assert (found.state, found.fingerprint) == ("retag", before)
    assert [(one.name, one.change) for one in found.changes or ()] == [("run.sh", "removed")]


def test_nothing_is_written_by_a_plan(checkout: Checkout) -> None:
    checkout.push()
    (checkout.folder / "run.sh").write_text("")
    checkout.registry.asked.clear()
    checkout.plan()
    assert {asked.method for asked in checkout.registry.asked} <= {"GET", "HEAD"}
    assert not os.path.lexists(checkout.root / "state" / "contexts")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("lambda.jar", "query-1.jar"),
        ("entrypoint.sh", "docker/lambda/entrypoint.sh"),
        ("lib/other.jar", "lib/other.jar"),
    ],
)
def test_files_of_a_lambda_are_called_as_people_know_them(path: str, name: str) -> None:
    query = Image("query-lambda", Kind.LAMBDA, "lambda", jar="query-<version>.jar")
    assert file_of(query, "1", path) == name


# The command line


def doit(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "dodo.py").write_text(
        f"{DODO}\n\ndef task_push_all():\n    return {{'actions': None}}\n\n\n"
        "def task_test():\n    return {'actions': None}\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "tasks", "plan", *words]
    return subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


def test_a_task_that_does_not_exist_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    done = doit(tmp_path, "pushall")
    assert done.returncode == 3
    assert "did you mean 'push_all'?" in done.stderr


def test_a_task_that_is_about_no_image_has_no_plan(tmp_path: Path) -> None:
    done = doit(tmp_path, "test")
    assert done.returncode == 3
    assert "nothing to plan" in done.stderr


def test_a_sandbox_that_does_not_run_is_not_waited_for(tmp_path: Path) -> None:
    done = doit(tmp_path, "target=sandbox", f"sandbox_dir={tmp_path}")
    assert done.returncode == 3
    assert "the sandbox is not started" in done.stderr
    assert "doit sandbox" in done.stderr
