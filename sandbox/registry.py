"""The sandbox's registry: that of the distribution project, behind `sandbox.front`, which makes it answer as ECR does.

    a private engine, or the image cannot be pulled ──▶ Debian's package of the program, on a socket
    the user's engine on this machine ────────────────▶ a container, on a port that the engine chooses
    the user's engine in a virtual machine ───────────▶ a container, on the registry's own port, without the front

An engine in a virtual machine has its own loopback, which forwards only to containers: there clients log in to the
registry with the password of moto's ECR, and the registry accepts what ECR would refuse.
"""

from __future__ import annotations

import base64
import http
import json
import os
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import packages
from sandbox.engine import Engine
from sandbox.layout import PASSWORD, REGISTRY_PORT_VARIABLE, USER, Sandbox
from sandbox.loopback import check_free, listens, status
from sandbox.packages import Tell
from sandbox.private import make_private
from sandbox.process import Server, wait_until
from tasks.errors import CommandError, EngineError
from tasks.system import files, processes

IMAGE = "registry:2.8.3"
"""The registry as a container; its entry point takes a configuration file."""

ANSWER_SECONDS = 20.0
"""How long the registry may take to start; it takes a tenth of a second."""

PULL_SECONDS = 120.0
"""How long the pull of its image may take before the program is used instead."""

_PROGRAM = "docker-registry"
"""Debian's name for the program, and for its package."""

_INSIDE = "/sandbox"
"""The sandbox's directory in a container."""

_INSIDE_PORT = 5000


@dataclass(frozen=True)
class Behind:
    """The address of the registry itself.

    Attributes:
        address: `host:port`, or `unix://` and a path.
        login: the Authorization header for it, or empty.
        direct: whether clients reach it directly, without the front.
    """

    address: str
    login: str = ""
    direct: bool = False


def behind(sandbox: Sandbox) -> Behind:
    """Return the address of the registry that was started last."""
    try:
        return Behind(**json.loads(_container_record(sandbox).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return Behind(f"unix://{_socket(sandbox)}")


def running(sandbox: Sandbox) -> bool:
    """Return whether the registry runs; only the front shows whether it answers."""
    if _container_record(sandbox).exists():
        return _answers(behind(sandbox))
    return _server(sandbox).pid() is not None and listens(_socket(sandbox))


def start(sandbox: Sandbox, engine: Engine, tell: Tell) -> None:
    """Start the registry, unless it runs; its images are kept.

    Raises:
        EngineError: its port is taken, its program is missing and cannot be installed here, or it does not start.
    """
    if running(sandbox):
        return
    stop(sandbox, engine)
    sandbox.registry_disk.mkdir(parents=True, exist_ok=True)
    if engine.private or not _start_container(sandbox, engine):
        _start_program(sandbox, tell)


def stop(sandbox: Sandbox, engine: Engine | None) -> None:
    """Stop the registry; its images are kept.

    Args:
        sandbox: the sandbox of the registry.
        engine: the engine that runs its container; None if no engine answers, and no container runs.

    Raises:
        EngineError: it belongs to another user.
        CommandError: its container could not be removed.
    """
    _server(sandbox).stop()
    _socket(sandbox).unlink(missing_ok=True)
    if _container_record(sandbox).exists():
        if engine is not None:
            processes.check(
                ["docker", "rm", "--force", "--volumes", sandbox.registry_container],
                environment={**os.environ, **engine.environment},
                next_step="see docker ps",
            )
        _container_record(sandbox).unlink()


def configuration(*, address: str, disk: str, passwords: str) -> dict[str, object]:
    """Return a registry's configuration; it accepts the deletion of manifests, as ECR does.

    Args:
        address: what it listens at, `host:port` or `unix://` and a path.
        disk: the directory that it keeps everything in.
        passwords: its htpasswd file; it asks for no login if that is empty.
    """
    net, _, place = address.rpartition("://")
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": disk},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"net": net or "tcp", "addr": place, "secret": secrets.token_hex()},
        **({"auth": {"htpasswd": {"realm": "sandbox", "path": passwords}}} if passwords else {}),
    }


def _answers(found: Behind) -> bool:
    """Return whether a container's registry answers; its port opens earlier."""
    port = found.address.rpartition(":")[2]
    return port.isdigit() and status(int(port), "/v2/") == http.HTTPStatus.UNAUTHORIZED


def _configure(sandbox: Sandbox, configured: dict[str, object]) -> str:
    """Write the registry's configuration; return the name of its file."""
    path = sandbox.directory / "registry.yml"
    # JSON is YAML.
    path.write_text(json.dumps(configured, indent=2) + "\n")
    return path.name


# As a program


def _server(sandbox: Sandbox) -> Server:
    return Server("registry", sandbox.state, sandbox.logs)


def _socket(sandbox: Sandbox) -> Path:
    return sandbox.runtime / "registry.sock"


def _start_program(sandbox: Sandbox, tell: Tell) -> None:
    if shutil.which(_PROGRAM) is None:
        if not packages.installable():
            raise EngineError(
                f"the image {IMAGE} cannot be pulled, and the program {_PROGRAM} is not on PATH",
                f"docker pull {IMAGE}, or install the program (Debian, Ubuntu: apt-get install {_PROGRAM})",
            )
        packages.install([_PROGRAM], log=sandbox.logs / "apt-registry.log", tell=tell)
    make_private(sandbox.runtime)
    address = f"unix://{_socket(sandbox)}"
    configured = configuration(address=address, disk=str(sandbox.registry_disk), passwords="")
    path = sandbox.directory / _configure(sandbox, configured)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    server = _server(sandbox)
    server.start([_PROGRAM, "serve", str(path)], kept)
    server.await_answer(lambda: listens(_socket(sandbox)), ANSWER_SECONDS)


# As a container


def _container_record(sandbox: Sandbox) -> Path:
    return sandbox.state / "registry-container"


def _start_container(sandbox: Sandbox, engine: Engine) -> bool:
    """Start the registry's container; return False if its image cannot be pulled."""
    environment = {**os.environ, **engine.environment}
    if not _has_image(environment):
        return False
    direct = not _is_here(environment)
    if direct:
        check_free(sandbox.registry_port, "the sandbox's registry", REGISTRY_PORT_VARIABLE)
    (sandbox.directory / "registry.htpasswd").write_text(f"{USER}:{_bcrypt(PASSWORD)}\n")
    configured = configuration(
        address=f"0.0.0.0:{_INSIDE_PORT}",
        disk=f"{_INSIDE}/{sandbox.registry_disk.name}",
        passwords=f"{_INSIDE}/registry.htpasswd",
    )
    name = _configure(sandbox, configured)
    sandbox.state.mkdir(parents=True, exist_ok=True)
    # Before the start, so that `stop` finds it after a kill.
    _container_record(sandbox).touch()
    # A container of this name may be left on an engine that did not answer when the sandbox was stopped.
    processes.run(["docker", "rm", "--force", sandbox.registry_container], environment=environment)
    processes.check(
        [
            *("docker", "run", "--detach", "--name", sandbox.registry_container),
            # As this user, who then can remove the files.
            *("--user", f"{os.getuid()}:{os.getgid()}"),
            *("--publish", f"{sandbox.docker_registry if direct else '127.0.0.1:'}:{_INSIDE_PORT}"),
            *("--mount", f"type=bind,source={sandbox.directory},target={_INSIDE}"),
            *(IMAGE, f"{_INSIDE}/{name}"),
        ],
        environment=environment,
        next_step="see docker ps --all",
    )
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    found = Behind(_published(sandbox, environment), f"Basic {login}", direct)
    files.replace(_container_record(sandbox), json.dumps(asdict(found)))
    if not wait_until(lambda: _answers(found), ANSWER_SECONDS):
        said = processes.run(["docker", "logs", sandbox.registry_container], environment=environment)
        raise EngineError(
            f"the registry's container does not answer at {found.address}\n{processes.tail(said)}",
            f"see docker logs {sandbox.registry_container}",
        )
    return True


def _published(sandbox: Sandbox, environment: Mapping[str, str]) -> str:
    """Return the address of the container's port on this machine."""
    command = ["docker", "port", sandbox.registry_container, str(_INSIDE_PORT)]
    done = processes.check(command, environment=environment, next_step="see docker ps --all")
    return done.output.split()[0]


def _is_here(environment: Mapping[str, str]) -> bool:
    """Return whether the engine runs on this machine, rather than in another one with its own loopback."""
    done = processes.run(["docker", "info", "--format", "{{.Name}} {{.KernelVersion}}"], environment=environment)
    return done.output.split() == [socket.gethostname(), os.uname().release]


def _has_image(environment: Mapping[str, str]) -> bool:
    if processes.run(["docker", "image", "inspect", IMAGE], environment=environment).code == 0:
        return True
    try:
        return processes.run(["docker", "pull", IMAGE], environment=environment, timeout=PULL_SECONDS).code == 0
    except CommandError:
        # The pull hangs, behind a firewall for example.
        return False


def _bcrypt(password: str) -> str:
    import bcrypt  # noqa: PLC0415  # Of the dev extra; only a start needs it.

    # The lowest cost, as the registry checks the password at every request; it is not secret.
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()
