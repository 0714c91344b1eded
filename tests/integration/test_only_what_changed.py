"""Each row of the README's table: what was done, how many images a push_all then built and how many tags it PUT."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import sample
from sandbox.engine import Engine
from sandbox.layout import Sandbox
from tests import trees
from tests.integration.project import IMAGES, Project

pytestmark = pytest.mark.integration

VERSION = "0.36.0-SNAPSHOT"
LAMBDAS = {image.name for image in IMAGES if image.jar is not None}

_instances = itertools.count()


@pytest.fixture(scope="module")
def pushed(sandbox: Sandbox, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose images have all been pushed."""
    project = Project(tmp_path_factory.mktemp("pushed"), sandbox, engine, f"pushed-{next(_instances)}")
    sample.make(project.scripts, IMAGES, VERSION)
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").write_text("#!/bin/sh\n")
    with (project.scripts / "docker" / "lambda" / "Dockerfile").open("a") as file:
        file.write("COPY entrypoint.sh /\n")
    assert project.push_all().counts == (len(IMAGES), len(IMAGES))
    return project


@pytest.fixture
def project(pushed: Project, tmp_path: Path) -> Project:
    """A project in the same condition for one test alone."""
    return pushed.copy(tmp_path, f"instance-{next(_instances)}")


def test_nothing_changed(project: Project) -> None:
    done = project.push_all()
    assert done.counts == (0, 0)
    assert f"{len(IMAGES)} images: {len(IMAGES)} current" in done.output


def test_a_clean_maven_build_without_a_change(project: Project) -> None:
    trees.rebuild(project.scripts)
    assert project.push_all().counts == (0, 0)


def test_a_clean_maven_build_on_another_file_system(project: Project) -> None:
    trees.rebuild(project.scripts, shuffled=True)
    assert project.push_all().counts == (0, 0)


def test_touched_files(project: Project) -> None:
    for path in project.scripts.rglob("*"):
        path.touch()
    assert project.push_all().counts == (0, 0)


def test_files_that_the_group_may_write(project: Project) -> None:
    for path in project.scripts.rglob("*"):
        path.chmod(path.stat().st_mode | 0o020)
    assert project.push_all().counts == (0, 0)


def test_files_that_others_may_not_read(project: Project) -> None:
    for path in project.scripts.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    assert project.push_all().counts == (0, 0)


def test_another_path(project: Project) -> None:
    moved = project.root / "elsewhere"
    shutil.copytree(project.scripts, moved)
    assert project.push_all(f"scripts_dir={moved}").counts == (0, 0)


def test_a_fresh_git_checkout_of_the_same_files(project: Project) -> None:
    """By a user with another umask; git keeps no time, and of a mode the executable bit."""
    checkout = project.root / "checkout"
    for words in (("init", "-q", "."), ("add", "--all"), ("commit", "-q", "-m", "as built")):
        git(project.scripts, *words)
    git(project.root, "clone", "-q", "scripts", "checkout", umask=0o077)
    assert (checkout / "docker" / "ingest" / "Dockerfile").stat().st_mode & 0o777 == 0o600
    assert project.push_all(f"scripts_dir={checkout}").counts == (0, 0)


def test_one_class_edited_in_one_lambdas_jar(project: Project) -> None:
    assert trees.rewrite(project.scripts / "jars" / f"query-{VERSION}.jar", edited=True)
    done = project.push_all()
    assert (done.built, done.pushed) == ({"query-lambda"}, {"query-lambda"})


def test_a_file_edited_that_all_lambdas_share(project: Project) -> None:
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").write_text("#!/bin/sh\nexec true\n")
    done = project.push_all()
    assert (done.built, done.pushed) == (LAMBDAS, LAMBDAS)


def test_a_file_that_becomes_executable(project: Project) -> None:
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").chmod(0o755)
    assert project.push_all().built == LAMBDAS


def test_a_fresh_clone_runs_no_docker_command_at_all(project: Project) -> None:
    shutil.rmtree(project.state)
    done = project.push_all()
    assert done.counts == (0, 0)
    assert done.commands == []
    assert not (project.state / "contexts").exists()
    assert f"{len(IMAGES)} images: {len(IMAGES)} current" in done.output


def test_state_deleted_and_jars_rebuilt(project: Project) -> None:
    shutil.rmtree(project.state)
    trees.rebuild(project.scripts)
    assert project.push_all().counts == (0, 0)


def test_a_version_tag_deleted_in_the_registry(project: Project) -> None:
    project.delete_tag("ingest", VERSION)
    done = project.push_all()
    assert (done.built, done.pushed) == (set(), {"ingest"})
    assert f"1 retagged, {len(IMAGES) - 1} current" in done.output


def test_an_inputs_tag_deleted_in_the_registry(project: Project) -> None:
    (tag,) = [tag for tag in project.tags()["ingest"] if tag.startswith("inputs-")]
    project.delete_tag("ingest", tag)
    assert project.push_all().built == {"ingest"}


def test_a_repository_emptied(project: Project) -> None:
    shutil.rmtree(project.repositories / "ingest")
    done = project.push_all()
    assert (done.built, done.pushed) == ({"ingest"}, {"ingest"})


def test_another_version_of_the_same_contents(project: Project) -> None:
    for jar in (project.scripts / "jars").iterdir():
        jar.rename(jar.with_name(jar.name.replace(VERSION, "0.37.0")))
    (project.scripts / "templates" / "version.txt").write_text("0.37.0\n")
    done = project.push_all()
    assert done.counts == (0, len(IMAGES))
    for tags in done.after.values():
        digests = {digest for name, (digest, _) in tags.items() if name != "building"}
        assert len(digests) == 1
        assert set(tags) >= {VERSION, "0.37.0"}


def test_another_instance(project: Project) -> None:
    other = replace(project, instance=f"{project.instance}-other")
    assert other.push_all().counts == (len(IMAGES), len(IMAGES))


def test_a_jar_rewritten_at_the_same_size_with_its_old_time(project: Project) -> None:
    jar = project.scripts / "docker" / "ingest" / "ingest.jar"
    project.push_all()  # Its digest is cached now: the file is older than two seconds.
    before = jar.stat()
    content = bytearray(jar.read_bytes())
    at = content.index(b".class") - 1  # A local header's name, and the same in the central directory.
    for place in (at, content.rindex(bytes(content[at - 4 : at + 7])) + 4):
        content[place] ^= 1
    jar.write_bytes(content)
    os.utime(jar, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (jar.stat().st_size, jar.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    done = project.push_all()
    assert (done.built, done.pushed) == ({"ingest"}, {"ingest"})


def test_a_run_that_is_killed_goes_on_where_it_was(project: Project) -> None:
    shutil.rmtree(project.repositories)
    killed = project.start("push_all")
    deadline = time.monotonic() + 60
    while len(_versioned(project)) < 3 and time.monotonic() < deadline:
        assert killed.poll() is None, killed.communicate()[0]
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    finished = _versioned(project)
    assert 3 <= len(finished) < len(IMAGES)
    done = project.push_all()
    assert done.built.isdisjoint(finished)
    assert _versioned(project) == {image.name for image in IMAGES}


def test_a_forced_run_builds_what_is_asked_for_though_it_is_current(project: Project) -> None:
    done = project.push_all("force=true", "images=ingest")
    assert (done.built, done.pushed) == ({"ingest"}, {"ingest"})


def test_lost_state_is_no_loss(project: Project) -> None:
    (project.state / "digests").write_bytes(b"damaged")
    assert project.push_all().counts == (0, 0)


def _versioned(project: Project) -> set[str]:
    return {name for name, tags in project.tags().items() if VERSION in tags}


def git(directory: Path, *words: str, umask: int = -1) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory)},
        umask=umask,
        check=True,
    )
