"""Whole runs of push_all, beside the document's commands and `docker buildx bake --push` on the same engine.

    python -m bench.push_all --jars DIRECTORY [--scale 1.0] [--repeat 5] [--many 2000]

DIRECTORY holds real jars, searched downwards (those of a pyspark source distribution, say). Everything runs in a
sandbox of its own, which is removed at the end. Each figure is a median of `--repeat` whole processes; a change that
has to be made before each is made before each. Machines are noisy: compare within one run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox import registry, servers
from sandbox.engine import Engine
from sandbox.layout import PASSWORD, USER, Sandbox, defaults
from sandbox.loopback import taken
from sandbox.process import Server
from tasks.configuration import catalogue
from tasks.model import Image
from tests import trees
from tests.integration.api import create
from tests.integration.project import SLEEPER, Project

VERSION = "0.36.0-SNAPSHOT"
EDITED = "query-lambda"


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    seconds: list[float]
    note: str = ""

    def line(self) -> str:
        """Return the row as Markdown: median, and the range."""
        low, middle, high = min(self.seconds), statistics.median(self.seconds), max(self.seconds)
        return f"| {self.what} | {middle:.2f} | {low:.2f}-{high:.2f} | {self.note} |"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jars", type=Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--many", type=int, default=2000, help="how many small images; 0 leaves them out")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # What was started is stopped, as after a Ctrl-C.
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))  # Sockets need a short path.
    sandbox = defaults(directory / "sandbox")
    images = catalogue.load(SLEEPER).images
    try:
        engine = usable(sandbox, servers.start(sandbox, ()))
        project = Project(directory, sandbox, engine, "bench", catalogue=SLEEPER)
        trees.make(project.scripts, images, given.jars, version=VERSION, base="scratch", scale=given.scale)
        size = sum(jar.stat().st_size for jar in trees.jars(project.scripts))
        print(f"{len(images)} images, {size / 1e9:.2f} GB of jars, {os.cpu_count()} processors\n")
        print("| what | median s | range | |\n|---|---|---|---|", flush=True)
        for figure in _measure(project, images, given.repeat):
            print(figure.line(), flush=True)
        if given.many:
            print(_many(project, given.many, given.repeat).line())
    finally:
        servers.remove(sandbox)
        shutil.rmtree(directory)


def _measure(project: Project, images: tuple[Image, ...], repeat: int) -> Iterator[Figure]:
    alternatives = Alternatives(project, images)
    yield Figure("first push of everything: push_all", [_seconds(project.push_all)])
    alternatives.forget_builds()
    yield Figure("… the document's commands", [_seconds(alternatives.document)])
    alternatives.forget_builds()
    yield Figure("… bake", [_seconds(alternatives.bake)])
    yield Figure("nothing changed: push_all", _repeated(project.push_all, repeat))
    yield Figure("… the document's commands", _repeated(alternatives.document, min(repeat, 3)))
    yield Figure("… bake", _repeated(alternatives.bake, repeat))

    def rebuild() -> None:
        trees.rebuild(project.scripts)

    def forget() -> None:
        shutil.rmtree(project.state)

    def edit() -> None:
        assert trees.rewrite(project.scripts / "jars" / f"query-{VERSION}.jar", edited=True)

    def push_edited() -> None:
        assert project.push_all().built == {EDITED}

    yield Figure("after a clean Maven build: push_all", _repeated(project.push_all, repeat, rebuild))
    yield Figure("on a fresh clone: push_all", _repeated(project.push_all, repeat, forget))
    yield Figure("one class of query-lambda edited: push_all", _repeated(push_edited, repeat, edit))
    yield Figure("… its own buildx build --push", _repeated(alternatives.push_edited, repeat, alternatives.edit))


class Alternatives:
    """What the document says, and bake, on copies of the scripts directory that need no task of ours."""

    def __init__(self, project: Project, images: tuple[Image, ...]) -> None:
        self._images = images
        self._prefix = f"{project.sandbox.docker_registry}/alternative"
        self._root = project.root / "alternative"
        shutil.copytree(project.scripts, self._root / "scripts")
        self._environment = {**project.engine.environment, "DOCKER_CONFIG": str(self._root / "docker")}
        self._login(project.sandbox)
        # As in ECR, nothing can be pushed to a repository that was not created.
        create(project.sandbox, *(f"alternative{end}/{image.name}" for image in images for end in ("", "-bake")))
        self._contexts()

    def document(self) -> None:
        """Run the document's commands, one after another."""
        docker = self._root / "scripts" / "docker"
        for image in self._images:
            name = image.jar_name(VERSION)
            if name is not None:
                shutil.copyfile(self._root / "scripts" / "jars" / name, docker / "lambda" / "lambda.jar")
            tag, folder = f"{self._prefix}/{image.name}:{VERSION}", str(docker / image.directory)
            if image.multiplatform:
                self._run(
                    "docker", "buildx", "build", f"--platform={','.join(image.platforms)}", "-t", tag, "--push", folder
                )
            else:
                self._run("docker", "build", "--provenance=false", "-t", tag, folder)
                self._run("docker", "push", tag)

    def bake(self) -> None:
        """Build and push everything with bake; it has no way to stage a jar, so its contexts are made beforehand."""
        self._run("docker", "buildx", "bake", "--push", f"--file={self._root / 'bake.json'}", "--builder=default")

    def forget_builds(self) -> None:
        """Empty the engine's build cache, so the next command has to build."""
        self._run("docker", "builder", "prune", "--all", "--force")

    def edit(self) -> None:
        """Edit the lambda's jar in its own context."""
        assert trees.rewrite(self._root / "contexts" / EDITED / "lambda.jar", edited=True)

    def push_edited(self) -> None:
        """Build and push the one lambda as a person would."""
        tag, context = f"{self._prefix}/{EDITED}:{VERSION}", str(self._root / "contexts" / EDITED)
        self._run("docker", "buildx", "build", "--provenance=false", "-t", tag, "--push", context)

    def _contexts(self) -> None:
        targets = {}
        for image in self._images:
            context = self._root / "contexts" / image.name
            shutil.copytree(self._root / "scripts" / "docker" / image.directory, context)
            name = image.jar_name(VERSION)
            if name is not None:
                shutil.copyfile(self._root / "scripts" / "jars" / name, context / "lambda.jar")
            targets[image.name] = {
                "context": str(context),
                "tags": [f"{self._prefix}-bake/{image.name}:{VERSION}"],
                "platforms": list(image.platforms) or ["linux/amd64"],
                "attest": ["type=provenance,disabled=true"],
            }
        bake = {"group": {"default": {"targets": list(targets)}}, "target": targets}
        (self._root / "bake.json").write_text(json.dumps(bake))

    def _login(self, sandbox: Sandbox) -> None:
        command = ["docker", "login", "--username", USER, "--password-stdin", sandbox.docker_registry]
        subprocess.run(command, input=PASSWORD, env=self._environment, text=True, check=True, capture_output=True)

    def _run(self, *argv: str) -> None:
        # The engine's own driver pushes twice at once, and registry 2.8 now and then answers 500 to the second.
        for attempt in range(3):
            done = subprocess.run(argv, env=self._environment, check=False, capture_output=True, text=True)
            if done.returncode == 0:
                return
            print(f"<!-- attempt {attempt + 1} of {argv[2]} failed: {done.stderr.strip().splitlines()[-1:]} -->")
        raise RuntimeError(done.stderr)


def _many(project: Project, count: int, repeat: int) -> Figure:
    """Measure a no-op of many small images: one is pushed, and the rest are copies of it, files and registry alike."""
    many = Project(project.root / "many", project.sandbox, project.engine, "many")
    (many.scripts / "templates").mkdir(parents=True)
    (many.scripts / "templates" / "version.txt").write_text(f"{VERSION}\n")
    names = [f"image-{number:04}" for number in range(count)]
    for name in names:
        folder = many.scripts / "docker" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY data /data\n")
        (folder / "data").write_text("data\n")
    path = many.root / "catalogue.yaml"
    entries = "".join(f"  - {{name: {name}}}\n" for name in names)
    path.write_text(f"schema: 1\nbuilder: {{name: sleeper}}\nstacks: [NoStack]\ndeployments:\n{entries}")
    many = replace(many, variables={"CATALOGUE": str(path)})
    many.push_all("images=image-0000")
    for name in names[1:]:
        shutil.copytree(many.repositories / names[0], many.repositories / name)
    with _open_registry(project.sandbox) as host:
        settings = {"DOCKER_REGISTRY": host, "REGISTRY": "oci", "ACCOUNT": "", "REGION": "", "AWS_ENDPOINT_URL": ""}
        many = replace(many, variables={**many.variables, **settings})
        assert many.push_all().counts == (0, 0)
        seconds = _repeated(many.push_all, repeat)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Figure(
        f"nothing changed in {count} small images: push_all", seconds, f"≤ {peak / 1024:.0f} MB, the largest run of all"
    )


@contextlib.contextmanager
def _open_registry(sandbox: Sandbox) -> Iterator[str]:
    """Serve the same repositories without a login, and without what makes the sandbox's registry answer as ECR does."""
    port = sandbox.registry_port + 10_000
    configured = registry.configuration(address=f"127.0.0.1:{port}", disk=str(sandbox.registry_disk), passwords="")
    path = sandbox.directory / "open.yml"
    path.write_text(json.dumps(configured))
    server = Server("open", sandbox.state, sandbox.logs)
    server.start(["docker-registry", "serve", str(path)], {"PATH": os.environ["PATH"]})
    try:
        server.await_answer(lambda: taken(port), 10)
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()


def _repeated(run: Callable[[], object], repeat: int, before: Callable[[], object] | None = None) -> list[float]:
    seconds = []
    for _ in range(repeat):
        if before is not None:
            before()
            time.sleep(2.1)  # Files younger than two seconds are not remembered, and nobody is that quick.
        seconds.append(_seconds(run))
    return seconds


def _seconds(run: Callable[[], object]) -> float:
    begun = time.monotonic()
    run()
    return time.monotonic() - begun


def usable(sandbox: Sandbox, engine: Engine) -> Engine:
    """Return the engine with the whole environment of a command that uses it and the ECR API of the sandbox."""
    return replace(engine, environment=sandbox.environment(os.environ) | dict(engine.environment))


if __name__ == "__main__":
    main()
