"""The sandbox's Docker engine.

    the user's, if it answers and its BuildKit can do what is needed ──▶ used as it is
    none, or one that cannot ──▶ a private one: containerd and dockerd below the sandbox's directory
    their programs are missing ──▶ from the distribution's packages first

What is needed: an image store of containerd's, in which the engine itself builds for several platforms, or a
docker-container builder that boots.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import packages, private
from sandbox.layout import BUILDER, BUILDER_OPTIONS, Sandbox
from sandbox.private import answers
from tasks import run
from tasks.errors import CommandError, EngineError

ASK_SECONDS = 20.0
"""How long a docker command that only asks may take; an engine behind ssh needs some."""

BOOT_SECONDS = 120.0
"""How long a docker-container builder may take to boot, the pull of BuildKit's image included."""

_CONTAINERD_STORE = "io.containerd.snapshotter"


@dataclass(frozen=True)
class Engine:
    """An engine that the sandbox uses.

    Attributes:
        private: whether it is the sandbox's own, and not the user's.
        host: where it listens, `unix:///…`, or whatever the user's context says.
        environment: the variables that make docker's commands use it, over the user's own.
    """

    private: bool
    host: str
    environment: Mapping[str, str]


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables that make docker's commands use the engine that was started last, over the user's own.

    buildx keeps its builders below the sandbox's directory, so that the user's list of them stays as it is.
    """
    found = _recorded(sandbox)
    return dict(found.environment) if found else _environment(sandbox, private=True)


def running(sandbox: Sandbox) -> bool:
    """Return whether the engine that was started last still answers, and would be chosen again."""
    found = _recorded(sandbox)
    if found is None:
        return False
    if found.private:
        return private.running(sandbox)
    if found.host.startswith("unix://"):
        return answers(Path(found.host.removeprefix("unix://")))
    return _asked("version", "--format", "{{.Server.Version}}") is not None


def start(sandbox: Sandbox) -> Engine:
    """Choose an engine, and start it if it is a private one.

    Raises:
        EngineError: there is none, and none can be started here; the text says what to install.
    """
    if not running(sandbox):
        # A private engine that runs in part is in nobody's way: its parts are started again.
        stop(sandbox)
        host = _users_engine(sandbox)
        if host is None:
            private.start(sandbox)
        _record(sandbox, private=host is None, host=host or f"unix://{sandbox.engine_socket}")
    found = _recorded(sandbox)
    if found is None:
        raise EngineError(f"{_record_path(sandbox)} vanished", "run again")
    return found


def stop(sandbox: Sandbox) -> None:
    """Remove the builder that was made for the sandbox and end a private engine; the user's is left alone.

    Raises:
        EngineError: a server belongs to another user.
        CommandError: the builder could not be removed.
    """
    found = _recorded(sandbox)
    try:
        # A private engine that does not run has no builder that runs.
        if found is None or not found.private or running(sandbox):
            _remove_builder(sandbox)
    finally:
        private.stop(sandbox)
        _record_path(sandbox).unlink(missing_ok=True)


# The user's engine


def _users_engine(sandbox: Sandbox) -> str | None:
    """Return where the user's engine listens, or None where there is none that can do what is needed."""
    info = _asked("info", "--format", "{{json .}}")
    if info is None or not json.loads(info).get("ServerVersion"):
        return None
    if not private.has_buildx():
        packages.install(["docker-buildx"], log=sandbox.logs / "apt.log")
    if _CONTAINERD_STORE not in json.dumps(json.loads(info).get("DriverStatus")) and not _boots(sandbox):
        return None
    return (_asked("context", "inspect", "--format", "{{.Endpoints.docker.Host}}") or "").strip()


def _asked(*words: str) -> str | None:
    """Return what a docker command of the user's says, or None where it fails."""
    try:
        done = run.run(["docker", *words], timeout=ASK_SECONDS)
    except CommandError:
        # No docker command, or an engine that never answers.
        return None
    return done.output if done.code == 0 else None


def _boots(sandbox: Sandbox) -> bool:
    """Return whether a docker-container builder boots on the user's engine; it is kept for the builds."""
    create = ["docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container", "--bootstrap"]
    for name, value in BUILDER_OPTIONS:
        create += ["--driver-opt", f"{name}={value}"]
    surroundings = {**os.environ, **_environment(sandbox, private=False)}
    try:
        booted = run.run(create, environment=surroundings, timeout=BOOT_SECONDS).code == 0
    except CommandError:
        booted = False
    if not booted:
        run.run(["docker", "buildx", "rm", "--force", BUILDER], environment=surroundings)
    return booted


def _remove_builder(sandbox: Sandbox) -> None:
    # Where buildx keeps what it knows of a builder.
    if not (sandbox.directory / "buildx" / "instances" / BUILDER).exists():
        return
    run.check(
        ["docker", "buildx", "rm", "--force", BUILDER],
        environment={**os.environ, **environment(sandbox)},
        timeout=ASK_SECONDS,
        next_step="remove it yourself: docker buildx ls",
    )


# Which one was chosen


def _record_path(sandbox: Sandbox) -> Path:
    return sandbox.state / "engine.json"


def _choice(variables: Mapping[str, str]) -> list[str]:
    """Return what the user says about which engine to use; another answer is another choice."""
    return [variables.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")]


def _record(sandbox: Sandbox, *, private: bool, host: str) -> None:
    sandbox.state.mkdir(parents=True, exist_ok=True)
    saved = {"private": private, "host": host, "choice": _choice(os.environ)}
    _record_path(sandbox).write_text(json.dumps(saved))


def _recorded(sandbox: Sandbox) -> Engine | None:
    try:
        saved = json.loads(_record_path(sandbox).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if not saved["private"] and saved["choice"] != _choice(os.environ):
        return None
    return Engine(saved["private"], saved["host"], _environment(sandbox, private=saved["private"]))


def _environment(sandbox: Sandbox, *, private: bool) -> dict[str, str]:
    chosen = {"BUILDX_CONFIG": str(sandbox.directory / "buildx")}
    if private:
        # A context named in the environment would win over DOCKER_HOST, except for this one, which stands for it.
        chosen |= {"DOCKER_HOST": f"unix://{sandbox.engine_socket}", "DOCKER_CONTEXT": "default"}
        chosen |= {"DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""}
    return chosen
