"""The README's table: what was done to a tree of real jars, and what a push_all then built and pushed.

    python -m bench.rows --jars DIRECTORY [--scale 1.0]

Built is counted by the buildx commands that ran, pushed by the version tags that the registry's disk says were PUT.
tests/integration/test_only_what_changed.py holds the same rows on small jars. Ends with 1 where a row is not kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.push_all import VERSION, usable
from sandbox import servers
from sandbox.layout import ACCOUNT, defaults
from tasks.configuration import catalogue
from tests import trees
from tests.integration.api import client
from tests.integration.project import SLEEPER, Project

QUERY = f"jars/query-{VERSION}.jar"


@dataclass(frozen=True)
class Row:
    """One row: what is done, to whom, and the counts that must come of it."""

    after: str
    change: Callable[[Project], Project | None]
    built: int
    pushed: int


def main() -> int:
    """Do each row and print it as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # What was started is stopped, as after a Ctrl-C.
    directory = Path(tempfile.mkdtemp(prefix="rows-", dir="/tmp"))  # Sockets need a short path.
    sandbox = defaults(directory / "sandbox")
    images = catalogue.load(SLEEPER).images
    kept = True
    try:
        engine = usable(sandbox, servers.start(sandbox, ()))
        project = Project(directory, sandbox, engine, "rows", catalogue=SLEEPER)
        trees.make(project.scripts, images, given.jars, version=VERSION, base="scratch", scale=given.scale)
        print("| after | built | pushed | seconds |\n|---|---|---|---|")
        for row in _rows():
            changed = row.change(project) or project
            time.sleep(2.1)  # Files younger than two seconds are not remembered.
            begun = time.monotonic()
            counts = changed.push_all().counts
            seconds = time.monotonic() - begun
            print(f"| {row.after} | {counts[0]} | {counts[1]} | {seconds:.1f} |", flush=True)
            kept = kept and counts == (row.built, row.pushed)
    finally:
        servers.remove(sandbox)
        shutil.rmtree(directory)
    return 0 if kept else 1


def _rows() -> Iterator[Row]:
    yield Row("the first time", lambda _: None, 20, 20)
    yield Row("nothing", lambda _: None, 0, 0)
    yield Row("a clean Maven build without a change", lambda project: trees.rebuild(project.scripts), 0, 0)
    yield Row("`touch`, `chmod g+w`, another path", _elsewhere, 0, 0)
    yield Row("a fresh git checkout of the same files", _checkout, 0, 0)
    yield Row("one class edited in one lambda's jar", _edit, 1, 1)
    yield Row("a file edited in `docker/lambda`", _edit_shared, 15, 15)
    yield Row("a fresh clone, no state", lambda project: shutil.rmtree(project.state), 0, 0)
    yield Row("state deleted, jars rebuilt", _forget_and_rebuild, 0, 0)
    yield Row("one repository's version tag deleted", lambda project: project.delete_tag("ingest", VERSION), 0, 1)
    yield Row("one repository emptied", _empty, 1, 1)
    yield Row("a jar rewritten at the same size with its old time", _same_size_and_time, 1, 1)
    yield Row("killed with `kill -9` when seven of twenty were pushed, to another instance", _killed, 13, 13)
    yield Row("another version of the same contents", _another_version, 0, 20)
    yield Row("another instance", lambda project: replace(project, instance="another"), 20, 20)


def _elsewhere(project: Project) -> Project:
    moved = project.root / "elsewhere"
    shutil.copytree(project.scripts, moved)
    for path in moved.rglob("*"):
        path.touch()
        path.chmod(path.stat().st_mode | 0o020)
    return replace(project, variables={"SCRIPTS_DIR": str(moved)})


def _checkout(project: Project) -> Project:
    copied, checkout = project.root / "committed", project.root / "checkout"
    shutil.copytree(project.scripts, copied)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.compression=0"]
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "as built"]):
        subprocess.run([*git, *words], cwd=copied, check=True)
    subprocess.run([*git, "clone", "-q", str(copied), str(checkout)], check=True)
    return replace(project, variables={"SCRIPTS_DIR": str(checkout)})


def _edit(project: Project) -> None:
    trees.rewrite(project.scripts / QUERY, edited=True)


def _edit_shared(project: Project) -> None:
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").write_text("#!/bin/sh\nexec true\n")


def _forget_and_rebuild(project: Project) -> None:
    shutil.rmtree(project.state)
    trees.rebuild(project.scripts)


def _empty(project: Project) -> None:
    """Delete every image by ECR's API: the registry remembers the layers that it holds, and would not see its disk."""
    images = {"registryId": ACCOUNT, "repositoryName": f"{project.instance}/ingest"}
    ecr = client(project.sandbox)
    ecr.batch_delete_image(**images, imageIds=ecr.list_images(**images)["imageIds"])


def _same_size_and_time(project: Project) -> None:
    """Change one letter of a name in a jar, in place, and put its time back."""
    jar = project.scripts / "docker" / "ingest" / "ingest.jar"
    before = jar.stat()
    content = bytearray(jar.read_bytes())
    at = content.index(b".class") - 1  # The last letter of a name, in its local header.
    name = bytes(content[at - 8 : at + 7])
    for place in (at, content.rindex(name) + 8):
        content[place] ^= 1
    with jar.open("r+b") as file:
        file.write(content)
    os.utime(jar, ns=(before.st_atime_ns, before.st_mtime_ns))


def _killed(project: Project) -> Project:
    other = replace(project, instance="killed")
    run = other.start("push_all", "parallel=1")
    while sum(VERSION in tags for tags in other.tags().values()) < 7:  # As the row says.
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    return other


def _another_version(project: Project) -> None:
    for jar in (project.scripts / "jars").iterdir():
        jar.rename(jar.with_name(jar.name.replace(VERSION, "0.37.0")))
    (project.scripts / "templates" / "version.txt").write_text("0.37.0\n")


if __name__ == "__main__":
    sys.exit(main())
