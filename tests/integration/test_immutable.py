"""ECR repositories in which tags cannot be moved: what is in front of the sandbox's registry refuses what ECR refuses.

A PUT of a tag that is there is answered with 400, and the same even if the tag is on that very manifest.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests.faults.proxy import Answer, Fault, Proxy
from tests.integration.api import create
from tests.integration.project import Project, some

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
IMAGES = {image.name: image for image in some("ingest", "query-lambda", "statestore-committer")}
"""A deployment, a lambda, and an image of two platforms."""

_instances = itertools.count()


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    proxy = Proxy(sandbox.docker_registry)
    yield proxy
    proxy.close()


@pytest.fixture
def project(sandbox: Sandbox, engine: Engine, proxy: Proxy, tmp_path: Path) -> Project:
    variables = {"DOCKER_REGISTRY": proxy.host, "IMAGES": ",".join(IMAGES)}
    project = Project(tmp_path, sandbox, engine, f"immutable-{next(_instances)}", variables)
    sample.make(project.scripts, IMAGES.values(), VERSION)
    return project


def make_immutable(project: Project, exclusions: Sequence[str] = ()) -> None:
    """Create the project's repositories as immutable, but for tags that match one of `exclusions`."""
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in exclusions]
    setting: dict[str, Any] = {"imageTagMutability": "IMMUTABLE"}
    if filters:
        setting = {
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": filters,
        }
    for name in IMAGES:
        create(project.sandbox, f"{project.instance}/{name}", **setting)


def refused(project: Project) -> list[tuple[str, str]]:
    """Return the tags that were put again, as what refused them wrote down."""
    said = (project.sandbox.logs / "front.log").read_text()
    return re.findall(rf"PUT /v2/{project.instance}/(\S+)/manifests/(\S+): 400 TAG_INVALID", said)


def change(project: Project, image: str) -> None:
    with (project.scripts / "docker" / IMAGES[image].directory / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")


def test_a_run_works_and_so_does_the_next(project: Project) -> None:
    make_immutable(project)
    assert project.push_all().counts == (3, 3)
    assert project.push_all().counts == (0, 0)


def test_nothing_is_put_twice(project: Project) -> None:
    make_immutable(project)
    project.push_all()
    project.push_all()
    assert refused(project) == []


@pytest.fixture
def pushed(project: Project) -> Project:
    make_immutable(project)
    project.push_all()
    return project


def test_a_run_that_is_killed_goes_on_where_it_was(project: Project) -> None:
    make_immutable(project)
    killed = project.start("push_all")
    deadline = time.monotonic() + 60
    while not any(VERSION in tags for tags in project.tags().values()) and time.monotonic() < deadline:
        assert killed.poll() is None, killed.communicate()[0]
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    finished = {name for name, tags in project.tags().items() if VERSION in tags}
    assert project.push_all().built.isdisjoint(finished)
    assert project.push_all().counts == (0, 0)


def test_a_build_whose_tags_were_never_put_is_built_and_pushed_again(pushed: Project) -> None:
    """A run that was killed between the push and the tags: the tag that the engine pushed to cannot be moved."""
    (inputs,) = [tag for tag in pushed.tags()["ingest"] if tag.startswith("inputs-")]
    for tag in (inputs, VERSION):
        pushed.delete_tag("ingest", tag)
    done = pushed.push_all()
    assert (done.built, done.pushed) == ({"ingest"}, {"ingest"})


def test_a_version_tag_that_was_never_put_is_put(pushed: Project) -> None:
    pushed.delete_tag("ingest", VERSION)
    done = pushed.push_all()
    assert (done.built, done.pushed) == (set(), {"ingest"})


def test_the_same_digest_again_is_success(pushed: Project, proxy: Proxy) -> None:
    """Somebody else put the version tag after we looked, as a lost answer to our own PUT would have it, too."""
    unseen = Fault("not yet there", lambda _handler, _forward: Answer(404, [], b""), "ours: HEAD version tag", "ingest")
    proxy.script(unseen)
    done = pushed.push_all()
    assert refused(pushed) == [("ingest", VERSION)]
    assert "1 retagged" in done.output


def test_another_image_under_the_same_version_is_refused_before_it_is_built(pushed: Project) -> None:
    held = pushed.tags()["ingest"][VERSION][0]
    change(pushed, "ingest")
    done = pushed.run("push_all")
    assert done.code != 0
    assert done.built == set()
    assert (
        f"ingest:{VERSION} is immutable and points to {held}; it cannot move to an image yet to be built" in done.output
    )
    assert "push under another version (version=…), or delete that tag, or make" in done.output
    assert "Traceback" not in done.output


def test_the_others_are_built_all_the_same(pushed: Project) -> None:
    change(pushed, "ingest")
    change(pushed, "query-lambda")
    pushed.delete_tag("query-lambda", VERSION)
    done = pushed.run("push_all")
    assert (done.built, done.pushed) == ({"query-lambda"}, {"query-lambda"})


def test_a_version_that_would_move_to_an_image_that_is_there_names_both_digests(pushed: Project) -> None:
    held = pushed.tags()["ingest"][VERSION][0]
    change(pushed, "ingest")
    pushed.push_all("version=other", "images=ingest")
    other = pushed.tags()["ingest"]["other"][0]
    done = pushed.run("push_all")
    assert f"points to {held}; it cannot move to these inputs' image {other}" in done.output
    assert done.built == set()


def test_a_forced_build_is_refused_where_its_inputs_tag_cannot_move(pushed: Project) -> None:
    done = pushed.run("push_all", "images=ingest", "force=true", "version=other")
    assert done.built == set()
    assert "change the image's revision" in done.output


def test_a_version_that_is_excluded_moves(project: Project) -> None:
    make_immutable(project, ["*-SNAPSHOT", "building*"])
    project.push_all()
    change(project, "ingest")
    done = project.push_all()
    assert (done.built, done.pushed) == ({"ingest"}, {"ingest"})


def test_each_build_has_a_tag_of_its_own_only_where_it_needs_one(project: Project) -> None:
    make_immutable(project, ["building"])
    project.push_all()
    assert {tag for tags in project.tags().values() for tag in tags if tag.startswith("building")} == {"building"}
