"""The sandbox's registry: the distribution project's own, on loopback, opened by the password of moto's ECR.

On the user's engine it is a container, so that an engine in a virtual machine reaches it at the same address; with a
private engine, or where the image cannot be pulled, it is Debian's package of the same program.
"""

from __future__ import annotations

import http
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from sandbox import packages
from sandbox.engine import Engine
from sandbox.layout import PASSWORD, REGISTRY_PORT_VARIABLE, USER, Sandbox
from sandbox.loopback import check_free, status
from sandbox.packages import Tell
from sandbox.process import Server, wait_until
from tasks import run
from tasks.errors import CommandError, EngineError

IMAGE = "registry:2.8.3"
"""The registry as a container; its entry point takes a configuration file."""

ANSWER_SECONDS = 20.0
"""How long the registry may take to start; it takes a tenth of a second."""

PULL_SECONDS = 120.0
"""How long the pull of its image may take before the program is used instead."""

_PROGRAM = "docker-registry"
"""Debian's name for the program, and for its package."""

_INSIDE = "/sandbox"
"""Where a container sees the sandbox's files."""

_INSIDE_PORT = 5000


def running(sandbox: Sandbox) -> bool:
    """Return whether the registry runs and asks for a password."""
    started = _server(sandbox).pid() is not None or _container_record(sandbox).exists()
    return started and _answers(sandbox)


def start(sandbox: Sandbox, engine: Engine, tell: Tell) -> None:
    """Start the registry if it does not run; what it held before is still there.

    Raises:
        EngineError: its port is taken, its program is missing and cannot be installed here, or it does not start.
    """
    if running(sandbox):
        return
    stop(sandbox, engine)
    check_free(sandbox.registry_port, "the sandbox's registry", REGISTRY_PORT_VARIABLE)
    sandbox.registry_disk.mkdir(parents=True, exist_ok=True)
    (sandbox.directory / "registry.htpasswd").write_text(f"{USER}:{_bcrypt(PASSWORD)}\n")
    if engine.private or not _start_container(sandbox, engine):
        _start_program(sandbox, tell)


def stop(sandbox: Sandbox, engine: Engine | None) -> None:
    """Stop the registry; what it holds stays.

    Args:
        sandbox: whose registry.
        engine: the one that a container of it runs on, or None where that does not answer: nothing runs there then.

    Raises:
        EngineError: it belongs to another user.
        CommandError: its container could not be removed.
    """
    _server(sandbox).stop()
    if _container_record(sandbox).exists():
        if engine is not None:
            run.check(
                ["docker", "rm", "--force", "--volumes", sandbox.registry_container],
                environment={**os.environ, **engine.environment},
                next_step="see docker ps",
            )
        _container_record(sandbox).unlink()


def configuration(*, address: str, disk: str, passwords: str) -> dict[str, object]:
    """Return a registry's configuration; it accepts the deletion of manifests, as ECR does.

    Args:
        address: what it listens at, `host:port`.
        disk: the directory that it keeps everything in.
        passwords: its htpasswd file.
    """
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": disk},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": address, "secret": secrets.token_hex()},
        "auth": {"htpasswd": {"realm": "sandbox", "path": passwords}},
    }


def _answers(sandbox: Sandbox) -> bool:
    return status(sandbox.registry_port, "/v2/") == http.HTTPStatus.UNAUTHORIZED


def _configure(sandbox: Sandbox, configured: dict[str, object]) -> str:
    """Write the registry's configuration; return its file's name."""
    path = sandbox.directory / "registry.yml"
    # JSON is YAML, too.
    path.write_text(json.dumps(configured, indent=2) + "\n")
    return path.name


# As a program


def _server(sandbox: Sandbox) -> Server:
    return Server("registry", sandbox.state, sandbox.logs)


def _start_program(sandbox: Sandbox, tell: Tell) -> None:
    if shutil.which(_PROGRAM) is None:
        if not packages.installable():
            raise EngineError(
                f"the image {IMAGE} cannot be pulled, and there is no program {_PROGRAM} on PATH",
                f"docker pull {IMAGE}, or install the program (Debian, Ubuntu: apt-get install {_PROGRAM})",
            )
        packages.install([_PROGRAM], log=sandbox.logs / "apt-registry.log", tell=tell)
    configured = configuration(
        address=sandbox.docker_registry,
        disk=str(sandbox.registry_disk),
        passwords=str(sandbox.directory / "registry.htpasswd"),
    )
    path = sandbox.directory / _configure(sandbox, configured)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    server = _server(sandbox)
    server.start([_PROGRAM, "serve", str(path)], kept)
    server.await_answer(lambda: _answers(sandbox), ANSWER_SECONDS)


# As a container


def _container_record(sandbox: Sandbox) -> Path:
    return sandbox.state / "registry-container"


def _start_container(sandbox: Sandbox, engine: Engine) -> bool:
    """Start the registry's container; return False where its image cannot be had."""
    environment = {**os.environ, **engine.environment}
    if not _has_image(environment):
        return False
    configured = configuration(
        address=f"0.0.0.0:{_INSIDE_PORT}",
        disk=f"{_INSIDE}/{sandbox.registry_disk.name}",
        passwords=f"{_INSIDE}/registry.htpasswd",
    )
    name = _configure(sandbox, configured)
    sandbox.state.mkdir(parents=True, exist_ok=True)
    # Before it starts, so that a stop after a kill finds it.
    _container_record(sandbox).touch()
    # One of this name may have been left on an engine that did not answer when the sandbox was stopped.
    run.run(["docker", "rm", "--force", sandbox.registry_container], environment=environment)
    run.check(
        [
            *("docker", "run", "--detach", "--name", sandbox.registry_container),
            # As we are, so that what it writes is ours to remove.
            *("--user", f"{os.getuid()}:{os.getgid()}"),
            *("--publish", f"{sandbox.docker_registry}:{_INSIDE_PORT}"),
            *("--mount", f"type=bind,source={sandbox.directory},target={_INSIDE}"),
            *(IMAGE, f"{_INSIDE}/{name}"),
        ],
        environment=environment,
        next_step="see docker ps --all",
    )
    if not wait_until(lambda: _answers(sandbox), ANSWER_SECONDS):
        said = run.run(["docker", "logs", sandbox.registry_container], environment=environment)
        raise EngineError(
            f"the registry's container does not answer at {sandbox.docker_registry}\n{run.tail(said)}",
            f"see docker logs {sandbox.registry_container}",
        )
    return True


def _has_image(environment: Mapping[str, str]) -> bool:
    if run.run(["docker", "image", "inspect", IMAGE], environment=environment).code == 0:
        return True
    try:
        return run.run(["docker", "pull", IMAGE], environment=environment, timeout=PULL_SECONDS).code == 0
    except CommandError:
        # The pull hangs, behind a firewall for example.
        return False


def _bcrypt(password: str) -> str:
    import bcrypt  # noqa: PLC0415  # Of the dev extra; only a start needs it.

    # The lowest cost: the registry pays it for every request, and this password is no secret.
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
