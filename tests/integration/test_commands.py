"""The commands that tell what there is, against a registry with images in it; none of them changes anything."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tasks.reference import Registry, Repository
from tests import golden
from tests.integration import images
from tests.integration.api import client
from tests.integration.project import CHECKOUT, IMAGES, Project
from tests.integration.test_destinations import NO_AWS, log_in
from tests.registry.server import Answer, Asked, serving
from tests.waiting import await_until

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"

_instances = itertools.count()


@pytest.fixture(scope="module")
def pushed(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose images have all been pushed."""
    project = Project(tmp_path_factory.mktemp("asked"), sandbox, engine, "asked")
    sample.make(project.scripts, IMAGES, VERSION)
    project.push_all()
    return project


@pytest.fixture
def project(pushed: Project, tmp_path: Path) -> Project:
    """A project in the same condition for one test alone."""
    return pushed.copy(tmp_path, f"asked-{next(_instances)}")


def asked(project: Project, *words: str) -> Any:
    """Return what a command tells programs; it must succeed and change nothing."""
    done = project.run(*words, "--json")
    assert done.code == 0, done.output
    assert done.before == done.after
    return json.loads(done.output)


def change(project: Project, image: str) -> None:
    with (project.scripts / "docker" / image / "Dockerfile").open("a") as file:
        file.write("LABEL changed=yes\n")


def repository(project: Project, image: str) -> Repository:
    return Repository(Registry(project.sandbox.docker_registry), f"{project.instance}/{image}")


def masked(project: Project, text: str) -> str:
    """Return what was printed without what is another each time: registry, instance, digests, sizes, times."""
    text = text.replace(project.sandbox.docker_registry, "REGISTRY").replace(project.instance, "INSTANCE")
    text = re.sub(r"\b[0-9a-f]{12}\b", "DIGESTDIGEST", text)
    text = re.sub(r"\b\d+(\.\d)? k?B\b", "SIZE", re.sub(r"\b\d+[smh]$", "AGE", text, flags=re.MULTILINE))
    return re.sub(r"(?<=\S) {2,}", "  ", text)


# status


def test_status_tells_of_each_image_what_somebody_else_reads_in_the_registry(pushed: Project) -> None:
    found = asked(pushed, "status")
    assert found["prefix"] == f"{pushed.sandbox.docker_registry}/{pushed.instance}"
    assert [one["image"] for one in found["images"]] == [image.name for image in IMAGES]
    for one in found["images"]:
        top, held = images.read(repository(pushed, one["image"]), VERSION)
        blobs = {blob.digest: blob.size for image in held for blob in (image.manifest.config, *image.manifest.layers)}
        manifests = {manifest.digest: len(manifest.content) for manifest in (top, *(image.manifest for image in held))}
        assert one["digest"] == str(top.digest)
        assert one["platforms"] == sorted(image.platform for image in held)
        assert one["size"] == sum(blobs.values()) + sum(manifests.values())
        assert (one["state"], one["tag"], one["reason"], one["fault"]) == ("current", VERSION, None, None)


def test_status_says_when_images_were_built_where_the_push_is_not_known(project: Project) -> None:
    """As in a registry that is not ECR."""
    log_in(project)
    plain = replace(project, variables=NO_AWS)
    for one in asked(plain, "status", "images=ingest,compaction-*")["images"]:
        assert one["pushed"] is None
        assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(one["built"]) < timedelta(hours=1)


def test_status_says_when_an_image_was_pushed_that_ecr_knows(pushed: Project) -> None:
    (one,) = asked(pushed, "status", "images=ingest")["images"]
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(one["pushed"]) < timedelta(hours=1)
    assert (one["built"], one["expiry"]) == (None, None)


def test_status_says_when_a_lifecycle_rule_deletes_an_image(project: Project) -> None:
    rule = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 3}
    policy = {"rules": [{"rulePriority": 1, "selection": rule, "action": {"type": "expire"}}]}
    client(project.sandbox).put_lifecycle_policy(
        repositoryName=f"{project.instance}/ingest", lifecyclePolicyText=json.dumps(policy)
    )
    assert "(any images, 3 days after the push) deletes this image in 2 days" in project.run("status").output.replace(
        "\n      ", " "
    )


def test_status_tells_what_a_push_would_do(project: Project) -> None:
    change(project, "ingest")
    project.delete_tag("query-lambda", VERSION)
    (project.scripts / "jars" / f"athena-{VERSION}.jar").unlink()
    found = {one["image"]: one for one in asked(project, "status")["images"]}
    assert {name: one["state"] for name, one in found.items() if one["state"] != "current"} == {
        "ingest": "build",
        "query-lambda": "retag",
        "athena-lambda": "blocked",
    }
    assert found["query-lambda"]["digest"] is None
    assert found["ingest"]["digest"] is not None
    assert found["athena-lambda"]["digest"] is not None
    assert f"athena-{VERSION}.jar does not exist" in found["athena-lambda"]["reason"]


def test_status_tells_what_is_deployed_without_a_scripts_directory(pushed: Project) -> None:
    found = asked(pushed, "status", "scripts_dir=/nowhere", f"version={VERSION}")["images"]
    assert {one["state"] for one in found} == {"blocked"}
    assert all(one["digest"] and one["size"] for one in found)


def test_status_of_a_version_that_was_never_pushed_is_no_error(pushed: Project) -> None:
    found = asked(pushed, "status", "version=nothing", "images=ingest,statestore-committer")["images"]
    assert {(one["state"], one["digest"]) for one in found} == {("retag", None)}


def test_a_registry_that_does_not_answer_is_an_exit_code_and_one_screen(pushed: Project) -> None:
    done = pushed.run(
        "status", "docker_registry=127.0.0.1:9", "registry=oci", "images=ingest,query-lambda,metrics-lambda"
    )
    assert done.code == 1
    assert done.output.count("the connection was refused") == 1
    assert "Traceback" not in done.output


def test_status_as_people_see_it(project: Project) -> None:
    change(project, "ingest")
    done = project.run("status", "images=ingest,compaction-job-execution,query-lambda")
    golden.check("status-sandbox.txt", masked(project, done.output))


# digests


def test_a_push_leaves_the_digests_of_what_it_pushed(pushed: Project) -> None:
    text = (pushed.state / "digests.json").read_text()
    entries = json.loads(text)["images"]
    assert list(entries) == sorted(image.name for image in IMAGES)
    for name, entry in entries.items():
        top, held = images.read(repository(pushed, name), VERSION)
        assert entry["digest"] == str(top.digest)
        assert entry["platforms"] == sorted(image.platform for image in held)
        assert pushed.tags()[name][f"inputs-{entry['fingerprint']}"][0] == entry["digest"]
    assert asked(pushed, "digests") == json.loads(text)


def test_the_file_for_git_is_the_same_bytes_each_time(project: Project) -> None:
    path = project.root / "digests.json"
    assert project.run("digests", "--output", str(path)).code == 0
    before = (path.read_bytes(), path.stat())
    assert project.run("digests", "--output", str(path)).code == 0
    assert (path.read_bytes(), path.stat()) == before


def test_there_are_no_digests_of_what_is_not_pushed(project: Project) -> None:
    change(project, "ingest")
    done = project.run("digests", "--output", str(project.root / "digests.json"))
    assert done.code == 1
    assert "ingest:\n  build: these inputs are not in the registry" in done.output
    assert "not written: 1 image is not current" in done.output
    assert not (project.root / "digests.json").exists()


def test_a_push_of_one_image_changes_its_line_alone(project: Project) -> None:
    # The project is a copy, and what it has on disk names the instance that it was copied from.
    project.push_all()
    before = json.loads((project.state / "digests.json").read_text())["images"]
    change(project, "ingest")
    assert project.run("push:ingest").code == 0
    after = json.loads((project.state / "digests.json").read_text())["images"]
    assert {name for name in after if after[name] != before[name]} == {"ingest"}


def nothing(project: Project) -> None:
    """Leave the registry as it is."""


def delete(project: Project) -> None:
    project.delete_tag("ingest", VERSION)


def push_another(project: Project) -> None:
    change(project, "ingest")
    assert project.run("push:ingest").code == 0


@pytest.mark.parametrize(
    ("harm", "code", "expected"),
    [
        (nothing, 0, f"the registry agrees for all {len(IMAGES)} images"),
        (delete, 1, f"ingest:\n  tag {VERSION} does not exist"),
        (push_another, 1, f"ingest:\n  tag {VERSION} is on"),
    ],
)
def test_the_check_names_what_the_registry_holds_otherwise(
    project: Project, harm: Callable[[Project], None], code: int, expected: str
) -> None:
    path = project.root / "digests.json"
    assert project.run("digests", "--output", str(path)).code == 0
    harm(project)
    # A deployment has the file and the registry, but no build of Sleeper.
    done = project.run("digests", "--check", str(path), "scripts_dir=/nowhere")
    assert done.code == code
    assert expected in done.output
    assert "Traceback" not in done.output


def test_the_check_that_gets_no_answer_has_a_code_of_its_own(project: Project) -> None:
    path = project.root / "digests.json"
    assert project.run("digests", "--output", str(path)).code == 0
    path.write_text(path.read_text().replace(project.sandbox.docker_registry, "127.0.0.1:9"))
    done = project.run("digests", "--check", str(path), "docker_registry=127.0.0.1:9", "registry=oci")
    assert done.code == 2


def test_the_property_is_sleepers(pushed: Project, tmp_path: Path) -> None:
    done = pushed.run("digests", "--properties")
    assert done.output == f"sleeper.ecr.repository.prefix={pushed.instance}\n"
    assert asked(pushed, "digests", "--properties") == {"sleeper.ecr.repository.prefix": pushed.instance}
    (tmp_path / "instance.properties").write_text(done.output)
    settings = asked(pushed, "settings", f"instance_properties={tmp_path}/instance.properties")
    assert settings["REPO_PREFIX"]["value"] == pushed.instance


# graph


def test_the_graph_has_the_colours_of_the_plan(project: Project) -> None:
    change(project, "ingest")
    found = asked(project, "graph", "--plan", "push:ingest", "push:query-lambda")["tasks"]
    states = {one["name"]: one["state"] for one in found}
    assert (states["push:ingest"], states["push:query-lambda"], states["builder"]) == ("build", "current", None)


def test_the_sandboxs_plan_can_be_drawn_whole(sandbox: Sandbox, pushed: Project) -> None:
    variables = {"SANDBOX_DIR": str(sandbox.directory)}
    ports = (f"sandbox_registry_port={sandbox.registry_port}", f"sandbox_api_port={sandbox.api_port}")
    project = Project(pushed.root, sandbox, pushed.engine, pushed.instance, variables)
    found = asked(project, "graph", "--plan", "sandbox", *ports)["tasks"]
    assert {one["image"] for one in found if one["image"]} == {image.name for image in IMAGES}


@pytest.mark.parametrize("command", [("status", "images=ingest"), ("plan", "push:ingest"), ("why", "ingest")])
def test_an_interrupt_ends_a_command_quietly(pushed: Project, command: tuple[str, ...]) -> None:
    ended = threading.Event()

    def say_nothing(_: Asked) -> Answer:
        ended.wait(30)
        return Answer()

    with serving(say_nothing) as silent:
        words = (*command, f"docker_registry={silent.registry}", "registry=oci")
        started = pushed.start(*words)
        await_until(lambda: bool(silent.asked), 60, running=started)
        started.send_signal(signal.SIGINT)
        output, _ = started.communicate(timeout=20)
        ended.set()
    assert started.returncode == 130
    assert "Traceback" not in output


# Terminals


@pytest.mark.parametrize(("variables", "expected"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_is_for_terminals_that_want_it(pushed: Project, variables: dict[str, str], *, expected: bool) -> None:
    main, side = pty.openpty()
    environment = {**pushed.environment(), "TERM": "xterm", **variables}
    started = subprocess.Popen(
        [sys.executable, "-m", "tasks", "status", "images=ingest"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=side,
        stderr=side,
    )
    assert started.wait(120) == 0
    os.close(side)
    text = os.read(main, 65536).decode()
    os.close(main)
    assert "ingest" in text
    assert ("\x1b[" in text) is expected
