"""The sandbox's Docker engine.

    the user's engine answers, and can build for several platforms ──▶ used as it is
    otherwise ──▶ a private one: containerd and dockerd below the sandbox's directory
    their programs are missing ──▶ installed from the distribution's packages first

An engine can build for several platforms with the containerd image store, or with a docker-container builder that
boots.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import packages, private
from sandbox.layout import BUILDER_DRIVER, BUILDER_OPTIONS, Sandbox
from sandbox.packages import Tell
from sandbox.private import answers
from tasks.errors import CommandError, EngineError
from tasks.system import files, processes

ASK_SECONDS = 20.0
"""How long a docker command that changes nothing may take; an engine behind SSH is slow."""

BOOT_SECONDS = 120.0
"""How long a docker-container builder may take to boot, the pull of BuildKit's image included."""

_CONTAINERD_STORE = "io.containerd.snapshotter"
_UNIX = "unix://"


@dataclass(frozen=True)
class Engine:
    """An engine that the sandbox uses.

    Attributes:
        private: whether it is the sandbox's own, rather than the user's.
        host: its address, `unix:///…`, or that of the user's context.
        environment: the variables that make docker's commands use it, over the user's own.
        choice: the user's variables that chose an engine, at that time.
    """

    private: bool
    host: str
    environment: Mapping[str, str]
    choice: tuple[str, ...]


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables that make docker's commands use the engine that was started last, over the user's own.

    buildx keeps its builders below the sandbox's directory, and the user's list of builders stays as it is.
    """
    found = _recorded(sandbox)
    return dict(found.environment) if found else _environment(sandbox, f"unix://{sandbox.engine_socket}")


def reachable(sandbox: Sandbox) -> Engine | None:
    """Return the engine that was started last if it still answers, even if the user's choice has changed."""
    found = _recorded(sandbox)
    if found is None:
        return None
    if found.private:
        there = private.running(sandbox)
    elif found.host.startswith(_UNIX):
        there = answers(Path(found.host.removeprefix(_UNIX)))
    else:
        there = _asked(found.environment, "version", "--format", "{{.Server.Version}}") is not None
    return found if there else None


def running(sandbox: Sandbox) -> bool:
    """Return whether the engine that was started last still answers, and the user has not chosen another one since."""
    found = reachable(sandbox)
    return found is not None and (found.private or found.choice == _choice(os.environ) or _is_chosen(found))


def start(sandbox: Sandbox, tell: Tell) -> Engine:
    """Choose an engine, and start it if it is a private one.

    Raises:
        EngineError: no engine answers and none can be started here; the next step says what to install.
    """
    if not running(sandbox):
        # A private engine of which only a part runs is stopped, and started again.
        stop(sandbox)
        host = _users_engine(sandbox, tell)
        if host is None:
            private.start(sandbox, tell)
        _record(sandbox, private=host is None, host=host or f"unix://{sandbox.engine_socket}")
    found = _recorded(sandbox)
    if found is None:
        raise EngineError(f"{_record_path(sandbox)} has been removed", "run again")
    return found


def stop(sandbox: Sandbox) -> None:
    """Remove the sandbox's builder and stop a private engine; the user's engine keeps running.

    Raises:
        EngineError: a server belongs to another user.
        CommandError: the builder could not be removed.
    """
    try:
        _remove_builder(sandbox)
    finally:
        private.stop(sandbox)
        _record_path(sandbox).unlink(missing_ok=True)


# The user's engine


def _users_engine(sandbox: Sandbox, tell: Tell) -> str | None:
    """Return the address of the user's engine; None if none answers or it cannot build for several platforms."""
    info = json.loads(_asked({}, "info", "--format", "{{json .}}") or "{}")
    # Without an engine, docker info still describes the client, and older ones exit with 0.
    if not info.get("ServerVersion"):
        return None
    if not private.has_buildx():
        packages.install(["docker-buildx"], log=sandbox.logs / "apt.log", tell=tell)
    host = _host()
    if _CONTAINERD_STORE in json.dumps(info.get("DriverStatus")) or _boots(sandbox, host):
        return host
    return None


def _host() -> str:
    """Return the address of the engine that the user has chosen, with DOCKER_HOST or the current context."""
    return (_asked({}, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}") or "").strip()


def _asked(variables: Mapping[str, str], *words: str) -> str | None:
    """Return the output of a docker command; None if it fails."""
    try:
        done = processes.run(["docker", *words], environment={**os.environ, **variables}, timeout=ASK_SECONDS)
    except CommandError:
        # No docker command, or an engine that never answers.
        return None
    return done.output if done.code == 0 else None


def _boots(sandbox: Sandbox, host: str) -> bool:
    """Return whether a docker-container builder boots on the user's engine; it is removed again."""
    create = ["docker", "buildx", "create", "--name", sandbox.builder, "--driver", BUILDER_DRIVER, "--bootstrap"]
    for name, value in BUILDER_OPTIONS:
        create += ["--driver-opt", f"{name}={value}"]
    surroundings = {**os.environ, **_environment(sandbox, host)}
    try:
        booted = processes.run(create, environment=surroundings, timeout=BOOT_SECONDS).code == 0
    except CommandError:
        booted = False
    # A run creates its own builder, and records that.
    processes.run(["docker", "buildx", "rm", "--force", sandbox.builder], environment=surroundings)
    return booted


def _remove_builder(sandbox: Sandbox) -> None:
    found = reachable(sandbox)
    # buildx's file about the builder. With an engine that is gone, the builder is gone as well.
    if found is None or not (sandbox.directory / "buildx" / "instances" / sandbox.builder).exists():
        return
    processes.check(
        ["docker", "buildx", "rm", "--force", sandbox.builder],
        environment={**os.environ, **found.environment},
        timeout=ASK_SECONDS,
        # Without the variable, buildx knows the user's own builders only.
        next_step=f"BUILDX_CONFIG={shlex.quote(found.environment['BUILDX_CONFIG'])} "
        f"docker buildx rm --force {sandbox.builder}",
    )


# Which one was chosen


def _record_path(sandbox: Sandbox) -> Path:
    return sandbox.state / "engine.json"


def _choice(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what chooses the user's engine: three variables and the current context (`docker context use`)."""
    chosen = (variables.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"))
    folder = variables.get("DOCKER_CONFIG") or f"{variables.get('HOME', '')}/.docker"
    try:
        config = json.loads((Path(folder) / "config.json").read_bytes())
    except (OSError, ValueError):
        config = None
    return (*chosen, str(config.get("currentContext", "")) if isinstance(config, dict) else "")


def _is_chosen(found: Engine) -> bool:
    """Return whether the user's variables and contexts, though different now, lead to the same engine."""
    # An engine behind TLS is the same only by the same variables, which name its certificates.
    return found.host.startswith((_UNIX, "ssh://")) and _place(_host()) == _place(found.host)


def _place(host: str) -> str:
    """Return a host, with symbolic links resolved in the path of a socket: /var/run often is a link."""
    return _UNIX + os.path.realpath(host.removeprefix(_UNIX)) if host.startswith(_UNIX) else host


def _record(sandbox: Sandbox, *, private: bool, host: str) -> None:
    saved = {"private": private, "host": host, "choice": _choice(os.environ)}
    files.replace(_record_path(sandbox), json.dumps(saved))


def _recorded(sandbox: Sandbox) -> Engine | None:
    try:
        saved = json.loads(_record_path(sandbox).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    choice = tuple(saved["choice"])
    return Engine(saved["private"], saved["host"], _environment(sandbox, saved["host"], choice), choice)


def _environment(sandbox: Sandbox, host: str, choice: tuple[str, ...] = ()) -> dict[str, str]:
    chosen = {"BUILDX_CONFIG": str(sandbox.directory / "buildx")}
    if host.startswith((_UNIX, "ssh://")):
        # The context `default` stands for DOCKER_HOST; one named elsewhere would win over it. With both, another
        # DOCKER_CONFIG may hold the login.
        return chosen | {"DOCKER_HOST": host, "DOCKER_CONTEXT": "default", "DOCKER_TLS_VERIFY": ""}
    # An engine behind TLS is known by the user's own variables and contexts only.
    return chosen | dict(zip(("DOCKER_HOST", "DOCKER_CONTEXT"), choice, strict=False))
