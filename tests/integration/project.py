"""A user's project: a scripts directory, a checkout's state, an instance in the registry; and what a run did to them.

What was built is counted from the outside: a `docker` that comes first on PATH writes down each command, then becomes
the real one. What was pushed is read from the registry's disk: a tag that was PUT gets a new link file.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox.engine import Engine
from sandbox.layout import ACCOUNT, REGION, Sandbox
from tasks.configuration import catalogue
from tasks.model import Image
from tests.integration.api import create

CHECKOUT = Path(__file__).resolve().parents[2]
SLEEPER = CHECKOUT / "catalogue" / "sleeper.yaml"
CATALOGUE = Path(__file__).with_name("catalogue.yaml")
IMAGES = catalogue.load(CATALOGUE).images
"""The images of the integration tests."""


def some(*names: str) -> tuple[Image, ...]:
    """Return the images of these names."""
    return tuple(image for image in IMAGES if image.name in names)


_NOT_A_BUILD = 'for last; do :; done\n[ "$last" != - ] || exit 0\n'
"""Preflight asks whether the builder reaches the registry by a build of standard input."""

_BUILDER = {"CATALOGUE", "BUILDER", "BUILDER_DRIVER", "BUILDER_OPTIONS", "BUILDER_CONFIG"}
"""The variables that describe a builder."""

Tags = dict[str, dict[str, tuple[str, int]]]
"""By image and tag: the digest that the tag is on, and when it was last PUT."""


@dataclass(frozen=True)
class Run:
    """What a run of doit did.

    Attributes:
        code: its exit code.
        output: what it printed, errors included.
        commands: the docker commands that it ran.
        before: the instance's tags when it began.
        after: when it had ended.
        version: the version tag.
    """

    code: int
    output: str
    commands: list[list[str]]
    before: Tags
    after: Tags
    version: str

    @property
    def built(self) -> set[str]:
        """The images that were built, by the context of each build command."""
        return {Path(argv[-1]).name.rpartition("-")[0] for argv in self.commands if argv[:2] == ["buildx", "build"]}

    @property
    def pushed(self) -> set[str]:
        """The images whose version tag was PUT."""
        return {
            name
            for name, tags in self.after.items()
            if self.version in tags and tags[self.version] != self.before.get(name, {}).get(self.version)
        }

    @property
    def counts(self) -> tuple[int, int]:
        """How many images were built, and how many version tags PUT."""
        return len(self.built), len(self.pushed)


@dataclass(frozen=True)
class Project:
    """A scripts directory, a state directory and an instance.

    Attributes:
        root: a directory of its own.
        sandbox: the registry and the ECR API.
        engine: what builds.
        instance: the instance's id.
        variables: more of the environment. Where they describe no builder, the engine's own builds: the catalogue's
            is another one on each machine, as BuildKit's image can be had or not.
        catalogue: the catalogue that is used unless CATALOGUE is among the variables.
    """

    root: Path
    sandbox: Sandbox
    engine: Engine
    instance: str
    variables: Mapping[str, str] = field(default_factory=dict)
    catalogue: Path = CATALOGUE

    @property
    def scripts(self) -> Path:
        """The scripts directory."""
        return self.root / "scripts"

    @property
    def state(self) -> Path:
        """The checkout's state."""
        return self.root / "state"

    @property
    def version(self) -> str:
        """The version of Sleeper."""
        return (self.scripts / "templates" / "version.txt").read_text().strip()

    @property
    def repositories(self) -> Path:
        """Where the registry keeps the instance's repositories."""
        return self.sandbox.registry_disk / "docker" / "registry" / "v2" / "repositories" / self.instance

    def environment(self) -> dict[str, str]:
        """Return what a user would have exported."""
        return {
            **self.engine.environment,
            "PATH": f"{self._recorder()}:{self.engine.environment['PATH']}",
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "t"),
            "SCRIPTS_DIR": str(self.scripts),
            "STATE_DIR": str(self.state),
            "INSTANCE_ID": self.instance,
            "ACCOUNT": ACCOUNT,
            "REGION": REGION,
            "DOCKER_REGISTRY": self.sandbox.docker_registry,
            "AWS_ENDPOINT_URL": self.sandbox.endpoint_url,
            "CATALOGUE": str(self.catalogue),
            **({} if _BUILDER & set(self.variables) else {"BUILDER_DRIVER": "docker"}),
            **self.variables,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start doit."""
        for name in ("home", "t"):
            (self.root / name).mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "tasks", *words],
            cwd=CHECKOUT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def run(self, *words: str) -> Run:
        """Run doit to its end."""
        before = self.tags()
        self.calls.unlink(missing_ok=True)
        output, _ = (started := self.start(*words)).communicate(timeout=600)
        return Run(started.returncode, output, self.commands(), before, self.tags(), self.version)

    def push_all(self, *words: str) -> Run:
        """Run `doit push_all`, which must succeed."""
        done = self.run("push_all", *words)
        assert done.code == 0, done.output
        return done

    def tags(self) -> Tags:
        """Return the tags of the instance's repositories, from the registry's disk.

        The tags that list records (`sha256-…`) are left out: they are not images.
        """
        found: Tags = {}
        for link in self.repositories.glob("*/_manifests/tags/*/current/link"):
            name, tag = link.parents[4].name, link.parents[1].name
            if not tag.startswith("sha256-"):
                found.setdefault(name, {})[tag] = (link.read_text(), link.stat().st_mtime_ns)
        return found

    def delete_tag(self, image: str, tag: str) -> None:
        """Delete a tag, which registry 2.8 can do by no API."""
        shutil.rmtree(self.repositories / image / "_manifests" / "tags" / tag)

    @property
    def calls(self) -> Path:
        """The docker commands of the last run: arguments end in a unit separator, commands in a line break."""
        return self.root / "calls"

    @property
    def hook(self) -> Path:
        """A program that is run before each docker command, with its arguments."""
        return self.root / "hook"

    def before_each_build(self, script: str) -> None:
        """Have a shell script run before each build, as somebody who works on while images are built."""
        # buildx has little of our environment; somebody at another terminal has all of it.
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.environment().items())
        self.hook.write_text(f'#!/bin/sh\n[ "$2" = build ] || exit 0\n{_NOT_A_BUILD}{exports}cd {CHECKOUT}\n{script}\n')
        self.hook.chmod(0o755)

    def commands(self) -> list[list[str]]:
        """Return the docker commands of the last run, but for the question whether the builder reaches the registry."""
        if not self.calls.exists():
            return []
        asked = [line.split("\x1f")[:-1] for line in self.calls.read_text().split("\x1e\n")[:-1]]
        return [argv for argv in asked if argv[:2] != ["buildx", "build"] or argv[-1] != "-"]

    def _recorder(self) -> Path:
        folder = self.root / "bin"
        if not folder.exists():
            folder.mkdir()
            real = shutil.which("docker", path=self.engine.environment["PATH"])
            # One write: the lines of commands that run at once must not mix.
            (folder / "docker").write_text(
                f"#!/bin/sh\nline=$(printf '%s\\037' \"$@\")\nprintf '%s\\036\\n' \"$line\" >> '{self.calls}'\n"
                f"[ ! -x '{self.hook}' ] || '{self.hook}' \"$@\"\nexec '{real}' \"$@\"\n"
            )
            (folder / "docker").chmod(0o755)
        return folder

    def copy(self, root: Path, instance: str) -> Project:
        """Return a project of its own in the same condition: files, state, and what the registry holds."""
        other = replace(self, root=root, instance=instance)
        for source, target in ((self.scripts, other.scripts), (self.state, other.state)):
            shutil.copytree(source, target, symlinks=True)
        # The registry's blobs are shared by all repositories; a repository is nothing but links to them.
        shutil.copytree(self.repositories, other.repositories)
        create(self.sandbox, *(f"{instance}/{folder.name}" for folder in sorted(other.repositories.iterdir())))
        return other
