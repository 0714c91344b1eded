"""The builder that each Docker engine has itself, without one being created: the driver `docker`."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.engine import unanswered
from tasks.engine.buildx import Engine
from tasks.errors import EngineError
from tasks.system import processes

DRIVER = "docker"


def engine(environment: Mapping[str, str], *, because: str = "") -> Engine:
    """Return the engine's own BuildKit as a builder, with a note if that is so `because` another cannot.

    Raises:
        EngineError: no engine answers, or it has no containerd image store: then it can neither build for other
            platforms nor say the digest of what it pushed.
    """
    done = processes.run(["docker", "info", "--format", "{{json .DriverStatus}}"], environment=environment)
    if done.code != 0:
        raise unanswered.error(done, environment, because)
    if "io.containerd.snapshotter" not in done.output:
        raise EngineError(
            f"{because or 'the engine builds with its own BuildKit'}, but this engine has no containerd image store",
            'let the engine pull BuildKit\'s image, or set {"features": {"containerd-snapshotter": true}} in '
            "the engine's daemon.json, or describe a reachable builder in the catalogue (docs/catalogue.md)",
        )
    note = f"{because}. The engine's own BuildKit builds; builder_driver=docker chooses it without this note"
    return Engine(builder(environment), DRIVER, note if because else "")


def builder(environment: Mapping[str, str]) -> str:
    """Return its name: that of the context, but `default` where DOCKER_HOST says which engine."""
    if environment.get("DOCKER_HOST"):
        return "default"
    step = "docker context ls"
    return processes.check(["docker", "context", "show"], environment=environment, next_step=step).output.strip()


def is_no_choice(name: str, environment: Mapping[str, str]) -> EngineError:
    """Return the error for a builder that was named as one to create, and is an engine's own."""
    current = builder(environment)
    choose = "builder_driver=docker" if name == current else f"DOCKER_CONTEXT={name} and builder_driver=docker"
    return EngineError(
        f"{name} is the built-in builder of a Docker engine; it cannot be created or configured",
        f"set {choose}, and leave BUILDER out",
    )
