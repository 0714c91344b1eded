"""Builders of every driver on one engine: its own, and two that reach the same BuildKit through a bridge.

    docker            the engine's own
    remote            buildx speaks to the bridge
    docker-container  a container whose `buildctl dial-stdio` is nc to the bridge, made here of Debian's busybox

What differs between them is what buildx and the product do, and what the driver lets BuildKit do. The BuildKit is the
same, so no image has to be pulled.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import packages
from sandbox.engine import Engine
from tasks.system import processes
from tests.integration.bridge import Bridge
from tests.integration.programs import copy_with_libraries
from tests.integration.project import SLEEPER

DOCKER, REMOTE, CONTAINER = "docker", "remote", "docker-container"
BY_DIGEST = (REMOTE, CONTAINER)
"""The drivers that can push an image without a tag."""

NAMES = (DOCKER, *BY_DIGEST)

STABLE = "moby/buildkit:buildx-stable-1"
"""What buildx pulls for a builder that names no image; where it cannot, it takes the engine's own of that name."""

_IMAGE = "127.0.0.1:1/bridge/buildkit"
"""Nobody listens there, so buildx fails to pull it at once."""

_UNIX = "unix://"
_APPLETS = ("sh", "nc", "sleep")

_DAEMON = """#!/bin/sh
[ "$1" != --version ] || { echo buildkitd github.com/moby/buildkit v0.0.0 bridge; exit; }
trap exit TERM INT
while :; do sleep 3600 & wait; done
"""
"""Stands in for buildkitd: buildx starts it, asks it for its version, and needs nothing else of it."""

_CLIENT = """#!/bin/sh
case "$*" in
*"debug workers"*) ;;
*dial-stdio*) exec nc 127.0.0.1 {port} ;;
*) exit 2 ;;
esac
"""
"""Stands in for buildctl, by which buildx asks whether BuildKit runs, and talks to it."""


@dataclass(frozen=True)
class Driver:
    """A builder to push with.

    Attributes:
        name: the driver's.
        builder: the builder's.
        variables: what makes a run build with it.
    """

    name: str
    builder: str = "default"
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def pushes_by_digest(self) -> bool:
        """Whether it can push an image without a tag."""
        return self.name in BY_DIGEST


class Drivers:
    """The builders on one engine; the bridge and the container's image are made when they are first needed.

    Args:
        engine: the engine, with the whole environment of a command that uses it.
        directory: a directory of our own, with a short path.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._directory = directory
        self._bridge: Bridge | None = None
        self._made: dict[str, Driver] = {}
        self._closing = contextlib.ExitStack()

    @property
    def bridge(self) -> Bridge:
        """The bridge to the engine's BuildKit; the engine must listen at a unix socket."""
        if self._bridge is None:
            made = Bridge(Path(self._engine.host.removeprefix(_UNIX)), self._directory / "buildkit.sock")
            self._bridge = self._closing.enter_context(made)
        return self._bridge

    def close(self) -> None:
        """Remove the builders and the image, and close the bridge."""
        self._closing.close()

    def can(self, name: str) -> bool:
        """Return whether a driver can be had: the bridge needs an engine at a unix socket on this machine."""
        return name == DOCKER or self._engine.host.startswith(_UNIX)

    def get(self, name: str) -> Driver:
        """Return the driver of that name; the product makes its builder when it first builds with it."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def image(self, name: str = "") -> str:
        """Make the image of a docker-container builder in the engine, under that name; return its name.

        One of that name that is there already is the user's, and is taken as it is.

        Raises:
            EngineError: busybox is not installed and cannot be.
            CommandError: the engine cannot build it.
        """
        name = name or f"{_IMAGE}:{self.bridge.port}"
        if processes.run(["docker", "image", "inspect", name], environment=self._engine.environment).code == 0:
            return name
        with tempfile.TemporaryDirectory(dir=self._directory) as folder:
            context = Path(folder)
            write_image(context, self.bridge.port, self._directory / "apt.log")
            # By the engine's own builder, whatever the current one is.
            self._docker("buildx", "build", "--builder", "default", "--load", "--tag", name, str(context))
        self._closing.callback(self._docker, "image", "rm", "--force", name, check=False)
        return name

    def _make(self, name: str) -> Driver:
        builder = f"bridged-{name}"
        match name:
            case "docker":
                return Driver(name, variables={"BUILDER": "default", "BUILDER_DRIVER": name})
            case "remote":
                described = f"builder: {{name: {builder}, driver: {name}, endpoint: '{self.bridge.endpoint}'}}"
                variables = {"CATALOGUE": str(self._catalogue(described))}
            case _:
                options = f"image={self.image()},network=host"
                variables = {"BUILDER": builder, "BUILDER_DRIVER": name, "BUILDER_OPTIONS": options}
        self._closing.callback(self._docker, "buildx", "rm", "--force", builder, check=False)
        return Driver(name, builder, variables)

    def _catalogue(self, builder: str) -> Path:
        """Write Sleeper's catalogue with another builder."""
        path = self._directory / "catalogue.yaml"
        lines = SLEEPER.read_text().splitlines()
        path.write_text("\n".join(builder if line.startswith("builder:") else line for line in lines) + "\n")
        return path

    def _docker(self, *words: str, check: bool = True) -> None:
        done = processes.run(["docker", *words], environment=self._engine.environment)
        assert done.code == 0 or not check, f"{done.command}\n{processes.tail(done)}"


def write_image(context: Path, port: int, log: Path) -> None:
    """Write the build context of an image that buildx takes for BuildKit's; a bridge's port answers for it."""
    if shutil.which("busybox") is None:
        packages.install(["busybox-static"], log=log)
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox was installed, and is not on PATH"
    copy_with_libraries(busybox, context / "root")
    folder = context / "root" / "bin"
    folder.mkdir(exist_ok=True)
    for name in _APPLETS:
        (folder / name).symlink_to(busybox)
    for name, text in {"buildkitd": _DAEMON, "buildctl": _CLIENT.format(port=port)}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (context / "Dockerfile").write_text('FROM scratch\nCOPY root/ /\nENTRYPOINT ["/bin/buildkitd"]\n')
