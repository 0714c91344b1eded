"""The whole of `push_all` on real engines, out of real jars, on a base image in the registry; read back as pushed."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.layout import PASSWORD, USER, Sandbox
from sandbox.sample import sample_jar
from tasks.model import Image
from tasks.reference import Registry, Repository
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST
from tasks.system import processes
from tests import trees
from tests.integration import images
from tests.integration.api import create
from tests.integration.project import CATALOGUE, IMAGES, Project, Run

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
LAMBDAS = [image for image in IMAGES if image.jar is not None]
DEPLOYMENTS = [image for image in IMAGES if image.jar is None]

_instances = itertools.count()


@pytest.fixture(scope="module")
def base(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base image in the registry, pushed as anybody would push one."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /base\n")
    name = f"{sandbox.docker_registry}/base/java:21"
    environment = {**engine.environment, "DOCKER_CONFIG": str(folder / "docker")}
    login = ["docker", "login", "--username", USER, "--password-stdin", sandbox.docker_registry]
    processes.check(login, environment=environment, stdin=PASSWORD, next_step="")
    create(sandbox, "base/java")
    build = [
        "docker",
        "buildx",
        "build",
        "--builder=default",
        "--platform=linux/amd64,linux/arm64",
        "--provenance=false",
    ]
    processes.check(
        [*build, f"--output=type=image,name={name},push=true", str(folder)], environment=environment, next_step=""
    )
    return name


@pytest.fixture(scope="module")
def pushed(
    sandbox: Sandbox, engine: Engine, base: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Run]:
    """A project of jars shaded together out of others, with its first push."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "jars").mkdir()
    for number in range(8):
        (folder / "jars" / f"{number}.jar").write_bytes(sample_jar(f"source-{number}"))
    project = Project(folder, sandbox, engine, "real")
    trees.make(project.scripts, IMAGES, folder / "jars", version=VERSION, base=base, scale=0.001)
    return project, project.push_all()


@pytest.fixture
def project(pushed: tuple[Project, Run], tmp_path: Path) -> Project:
    """A project of a test's own whose images have been pushed."""
    return pushed[0].copy(tmp_path, f"real-{next(_instances)}")


def repository(project: Project, image: Image) -> Repository:
    return Repository(Registry(project.sandbox.docker_registry), f"{project.instance}/{image.name}")


def test_all_images_are_built_and_pushed(pushed: tuple[Project, Run]) -> None:
    assert pushed[1].counts == (len(IMAGES), len(IMAGES))
    assert f"{len(IMAGES)} images: {len(IMAGES)} built" in pushed[1].output


def test_each_image_has_its_two_tags_on_one_digest(pushed: tuple[Project, Run]) -> None:
    for tags in pushed[0].tags().values():
        ours = {tag: digest for tag, (digest, _) in tags.items() if tag != "building"}
        assert VERSION in ours
        assert len(ours) == 2
        assert len(set(ours.values())) == 1


@pytest.mark.parametrize("image", LAMBDAS, ids=lambda image: image.name)
def test_a_lambda_holds_its_own_jar_byte_for_byte_and_is_a_single_manifest(
    pushed: tuple[Project, Run], image: Image
) -> None:
    project, _ = pushed
    top, held = images.read(repository(project, image), VERSION)
    jar = project.scripts / "jars" / f"{image.jar_name(VERSION)}"
    assert held[0].files["/function/lambda.jar"] == jar.read_bytes()
    assert top.media_type == OCI_MANIFEST
    assert [one.platform for one in held] == ["linux/amd64"]


@pytest.mark.parametrize("image", DEPLOYMENTS, ids=lambda image: image.name)
def test_a_deployment_holds_its_own_files_on_each_of_its_platforms(pushed: tuple[Project, Run], image: Image) -> None:
    project, _ = pushed
    top, held = images.read(repository(project, image), VERSION)
    folder = project.scripts / "docker" / image.directory
    for one in held:
        assert one.files[f"/{image.directory}.jar"] == (folder / f"{image.directory}.jar").read_bytes()
        assert one.files["/base"]
    expected = ["linux/amd64", "linux/arm64"] if image.multiplatform else ["linux/amd64"]
    assert sorted(one.platform for one in held) == expected
    assert top.media_type == (OCI_INDEX if image.multiplatform else OCI_MANIFEST)


def test_the_multiplatform_images_are_the_documents(pushed: tuple[Project, Run]) -> None:
    listed = {image.name for image in IMAGES if images.read(repository(pushed[0], image), VERSION)[0].is_index}
    assert listed == {"compaction-job-execution", "statestore-committer"}


def test_each_image_is_one_build_with_the_documents_options(pushed: tuple[Project, Run]) -> None:
    builds = [argv for argv in pushed[1].commands if argv[:2] == ["buildx", "build"]]
    assert len(builds) == len(IMAGES)
    for argv in builds:
        (image,) = [image for image in IMAGES if image.name == Path(argv[-1]).name.rpartition("-")[0]]
        platforms = "linux/amd64,linux/arm64" if image.multiplatform else "linux/amd64"
        assert {"--provenance=false", "--sbom=false", f"--platform={platforms}"} <= set(argv)


def test_the_engine_keeps_no_image_of_what_was_pushed(pushed: tuple[Project, Run]) -> None:
    project, _ = pushed
    argv = ["docker", "image", "ls", "--all", "--format", "{{.Repository}}"]
    kept = processes.check(argv, environment=project.engine.environment, next_step="").output.split()
    assert not [name for name in kept if f"/{project.instance}/" in name]


def test_no_build_writes_a_tag_of_ours(pushed: tuple[Project, Run]) -> None:
    words = [word for argv in pushed[1].commands for word in argv]
    assert not [
        word for word in words if word.startswith(("-t", "--tag")) or f":{VERSION}" in word or "inputs-" in word
    ]


def test_the_token_is_in_no_command(pushed: tuple[Project, Run]) -> None:
    assert not [word for argv in pushed[1].commands for word in argv if PASSWORD in word]


def test_the_scripts_directory_is_never_written_to(project: Project) -> None:
    (project.scripts / "docker" / "ingest" / "run.sh").write_text("#!/bin/sh\nexec false\n")
    before = {path: path.stat() for path in sorted(project.scripts.rglob("*"))}
    assert project.push_all().built == {"ingest"}
    after = {path: path.stat() for path in sorted(project.scripts.rglob("*"))}
    assert list(before) == list(after)
    for path, found in before.items():
        same = ("st_mode", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns")
        assert [getattr(found, name) for name in same] == [getattr(after[path], name) for name in same]


def test_nothing_is_left_of_a_context(pushed: tuple[Project, Run]) -> None:
    assert [path for path in (pushed[0].state / "contexts").rglob("*") if path.is_file()] == []


def test_an_executable_file_is_one_whatever_the_umask_was(project: Project) -> None:
    script = project.scripts / "docker" / "ingest" / "tool.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY tool.sh /tool.sh\n")
    project.push_all()
    (image,) = [image for image in IMAGES if image.name == "ingest"]
    _, held = images.read(repository(project, image), VERSION)
    assert held[0].modes["/tool.sh"] & 0o777 == 0o755


def test_a_failed_build_is_told_with_its_line_and_the_others_are_finished(project: Project) -> None:
    shutil.rmtree(project.repositories)
    with (project.scripts / "docker" / "ingest" / "Dockerfile").open("a") as file:
        file.write("COPY not-there /x\n")
    done = project.run("push_all")
    assert len(done.pushed) == len(IMAGES) - 1
    _, _, block = done.output.partition("FAILED push:ingest")
    assert "step: [" in block
    assert re.search(r"line: Dockerfile:\d+  COPY not-there /x", block)
    assert done.code == 1
    assert str(project.state / "logs" / "push-ingest.log") in block
    assert "Traceback" not in done.output
    assert re.search(rf"{len(IMAGES) - 1} built \(.+?B\), 1 failed", done.output)


@pytest.mark.parametrize(
    "change",
    [
        "printf x >> {file}",
        "printf new > {file}.new; mv {file}.new {file}",
        "rm {file}",
        "printf x > {file}.more",
    ],
    ids=["in place", "by rename", "removed", "added"],
)
def test_inputs_that_change_while_they_are_built_are_not_tagged(project: Project, change: str) -> None:
    file = project.scripts / "docker" / "ingest" / "run.sh"
    file.write_text("#!/bin/sh\nexec false\n")
    project.before_each_build(change.format(file=file))
    done = project.run("push_all")
    assert done.code != 0
    assert done.pushed == set()
    assert "changed during the build" in done.output
    assert "run again" in done.output
    assert {tag for tag in done.after["ingest"] if tag != "building"} == set(done.before["ingest"]) - {"building"}


def test_a_context_is_not_touched_by_a_change_in_place(project: Project) -> None:
    """Made as a copy: what is built is what was fingerprinted, and the next run builds the change."""
    file = project.scripts / "docker" / "ingest" / "run.sh"
    file.write_text("#!/bin/sh\nexec false\n")
    project.before_each_build(f"printf changed > {file}")
    project.run("push_all")
    project.hook.unlink()
    assert project.push_all().built == {"ingest"}
    (image,) = [image for image in IMAGES if image.name == "ingest"]
    _, held = images.read(repository(project, image), VERSION)
    assert held[0].files["/run.sh"] == b"changed"


def test_somebody_elses_image_of_the_same_inputs_wins(project: Project) -> None:
    """Two machines that build the same inputs at once end with one image under both tags."""
    (tag,) = [tag for tag in project.tags()["ingest"] if tag.startswith("inputs-")]
    theirs = project.repositories / "ingest" / "_manifests" / "tags" / tag
    kept = project.root / "theirs"
    shutil.move(theirs, kept)
    project.before_each_build(f"[ -e {theirs} ] || cp -r {kept} {theirs}")
    done = project.push_all()
    assert done.built == {"ingest"}
    assert done.after["ingest"][VERSION][0] == done.before["ingest"][VERSION][0] == done.after["ingest"][tag][0]


def test_a_second_run_in_the_same_checkout_is_told_who_the_first_is(project: Project) -> None:
    (project.scripts / "docker" / "ingest" / "run.sh").write_text("#!/bin/sh\nexec false\n")
    second = project.root / "second"
    words = f"{sys.executable} -m doit push_all > {second} 2>&1; echo $? >> {second}"
    project.before_each_build(f"{words}")
    project.push_all()
    assert "is held by process" in second.read_text()
    assert "push_all" in second.read_text()
    assert second.read_text().splitlines()[-1] == "3"


@pytest.mark.parametrize("words", ["list --all", "info push:ingest", "settings", "list"])
def test_what_only_reads_is_not_locked_out(project: Project, words: str) -> None:
    (project.scripts / "docker" / "ingest" / "run.sh").write_text("#!/bin/sh\nexec false\n")
    second = project.root / "second"
    project.before_each_build(f"{sys.executable} -m doit {words} > {second} 2>&1; echo $? >> {second}")
    project.push_all()
    assert second.read_text().splitlines()[-1] in {"0", "1"}  # `info` says by 1 that the task is not up to date.
    assert "is held by" not in second.read_text()


def test_a_run_may_wait_for_another(project: Project) -> None:
    (project.scripts / "docker" / "ingest" / "run.sh").write_text("#!/bin/sh\nexec false\n")
    waiting = project.root / "waiting"
    command = f"{sys.executable} -m doit push_all wait=100 > {waiting} 2>&1; echo $? >> {waiting}; : > {waiting}.ended"
    project.before_each_build(f"[ -e {waiting} ] || ( {command} ) > /dev/null 2>&1 &")
    project.push_all()
    while not (project.root / "waiting.ended").exists():
        project.run("list")
    assert waiting.read_text().splitlines()[-1] == "0"
    assert f"{len(IMAGES)} images: {len(IMAGES)} current" in waiting.read_text()


def test_bases_are_locked_to_the_digest_of_the_day_and_built_from_it(project: Project, base: str) -> None:
    own = project.root / "catalogue.yaml"
    shutil.copy(CATALOGUE, own)
    docker = project.root / "home" / ".docker"
    docker.mkdir(parents=True)
    shutil.copy(_docker_config(project), docker / "config.json")
    done = project.run("base=refresh", f"catalogue={own}")
    assert done.code == 0, done.output
    manifest = images.client(project.sandbox.docker_registry).head(Repository.parse(base.rpartition(":")[0]), "21")
    assert manifest is not None
    assert f"{base} {manifest.digest}" in own.with_name("catalogue.yaml.lock").read_text()
    built = project.push_all("images=ingest", f"catalogue={own}")
    assert built.built == {"ingest"}
    (argv,) = [argv for argv in built.commands if argv[:2] == ["buildx", "build"]]
    assert f"--build-context={base}=docker-image://{base}@{manifest.digest}" in argv
    assert project.push_all("images=ingest", f"catalogue={own}").counts == (0, 0)


def _docker_config(project: Project) -> Path:
    """A configuration as `docker login` leaves it."""
    folder = project.root / "logged-in"
    environment = {**project.engine.environment, "DOCKER_CONFIG": str(folder)}
    login = ["docker", "login", "--username", USER, "--password-stdin", project.sandbox.docker_registry]
    processes.check(login, environment=environment, stdin=PASSWORD, next_step="")
    return folder / "config.json"
