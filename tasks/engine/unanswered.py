"""Why no Docker engine answers, and what to do about it: the usual reasons, each with its own next step."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from tasks.engine.docker_config import read_config, user_config_directory
from tasks.errors import EngineError
from tasks.system import processes

_SANDBOX = "or try `./doitw sandbox push_all`"

_SYSTEM_SOCKET = "/var/run/docker.sock"
_SOCKET = re.compile(r"unix://(/[^\s:;,\"]*?)\.?(?:[:;,\s]|$)")
_CONTEXT = re.compile(r'context "([^"]*)": context not found')
_SIGNS = (
    "Cannot connect to the Docker daemon",
    "permission denied while trying to connect to the Docker daemon",
    "permission denied while trying to connect to the docker API",
    "failed to connect to the docker API",
    "error during connect",
    "unable to resolve docker endpoint",
)


def is_told_by(text: str) -> bool:
    """Whether a docker command that failed says that no engine answers it."""
    return any(sign in text for sign in _SIGNS)


def error(done: processes.Completed, environment: Mapping[str, str], because: str = "") -> EngineError:
    """Return the error for a docker command that got no answer of an engine.

    Args:
        done: the command.
        environment: its environment.
        because: why the engine was asked at all, where that is not obvious.
    """
    step = next_step(done.errors or done.output, environment)
    if because:
        return EngineError(f"{because}, and no Docker engine answers", step)
    return EngineError(f"no Docker engine answers\n{processes.tail(done)}", step)


def next_step(said: str, environment: Mapping[str, str]) -> str:
    """Return what to do about an engine that does not answer, by what docker says and what is on this machine."""
    host = environment.get("DOCKER_HOST", "")
    if found := _CONTEXT.search(said):
        return _other_context(found[1], environment)
    if "permission denied" in said and "stderr=" not in said:
        return _permission(_socket(said, host))
    for sign, step in _REMEDIES:
        if re.search(sign, said):
            return step
    if host and not host.startswith("unix://"):
        return f"start the engine at {_bare(host)}, or unset DOCKER_HOST to use the one of this machine"
    return _start(_socket(said, host), environment)


_REMEDIES = (
    (
        r"client version .* is too old",
        "install a newer docker command: the engine no longer speaks the version of this one",
    ),
    (
        r"command \[ssh ",
        "make sure that `ssh HOST docker version` works without a password (HOST as in DOCKER_HOST or the context)",
    ),
    (
        r"\.pem\b|HTTPS|x509|tls: ",
        "set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH for an engine behind TLS, and unset both for any other",
    ),
)
"""By what docker says: what to do about it."""


def _bare(host: str) -> str:
    """Return an address without user and password."""
    scheme, mark, rest = host.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _socket(said: str, host: str) -> str:
    found = _SOCKET.search(said)
    return found[1] if found else host.removeprefix("unix://")


def _other_context(name: str, environment: Mapping[str, str]) -> str:
    if environment.get("DOCKER_CONTEXT") == name:
        return f"there is no Docker context {name}: unset DOCKER_CONTEXT (`docker context ls` lists those that exist)"
    return f"there is no Docker context {name}: docker context use default (`docker context ls` lists the others)"


def _permission(socket: str) -> str:
    """Return what to do about a socket that this user may not use."""
    try:
        there = Path(socket).stat()
    except OSError:
        return f"check the permissions of the socket: ls -l {socket}"
    group, me = _group(there.st_gid), _user(os.geteuid())
    if there.st_uid not in {0, os.geteuid()}:
        owner = _user(there.st_uid)
        return f"{socket} belongs to the user {owner}; choose an engine of your own: docker context ls"
    if there.st_gid == 0 or not there.st_mode & stat.S_IWGRP:
        return f"only root may use {socket}: start dockerd with --group docker, then sudo usermod -aG docker $USER"
    if me in _members(there.st_gid):
        return f"log in again, or run `newgrp {group}`: you were not in the group {group} when this session began"
    return f"sudo usermod -aG {group} $USER, then log in again (who is in the group {group} can become root here)"


def _start(socket: str, environment: Mapping[str, str]) -> str:
    """Return how to start the engine that listens at a socket of this machine, or which other one runs."""
    step = _how(socket, environment)
    others = [path for path in _known_sockets(environment) if str(path) != socket and path.is_socket()]
    if others and not environment.get("DOCKER_HOST"):
        return f"{step}, or use the one that runs: export DOCKER_HOST=unix://{others[0]}"
    return step if environment.get("DOCKER_HOST") else f"{step}, {_SANDBOX}"


def _how(socket: str, environment: Mapping[str, str]) -> str:
    for part, step in _STARTS:
        if part in socket:
            return step
    if "desktop" in _context(environment) or sys.platform == "darwin":
        return _DESKTOP
    if environment.get("DOCKER_HOST") and socket != _SYSTEM_SOCKET:
        return f"start Docker at {socket}, or unset DOCKER_HOST"
    systemd = Path("/run/systemd/system").is_dir()
    return f"start Docker (sudo {'systemctl start docker' if systemd else 'service docker start'})"


_DESKTOP = "start Docker Desktop (" + (
    "open -a Docker)" if sys.platform == "darwin" else "systemctl --user start docker-desktop)"
)
_STARTS = (
    ("/.docker/", _DESKTOP),
    ("/.colima/", "start Docker (colima start)"),
    ("/.rd/", "start Rancher Desktop"),
    ("/.sandbox/run/", "start the sandbox's engine (./doitw sandbox)"),
    ("/run/user/", "start Docker (systemctl --user start docker)"),
)
"""By a part of the socket's path: how the engine is started that listens there."""


def _known_sockets(environment: Mapping[str, str]) -> list[Path]:
    home, runtime = Path(environment.get("HOME") or "/nowhere"), environment.get("XDG_RUNTIME_DIR")
    return [
        Path(_SYSTEM_SOCKET),
        Path(runtime or f"/run/user/{os.getuid()}") / "docker.sock",
        home / ".docker" / "desktop" / "docker.sock",
        home / ".docker" / "run" / "docker.sock",
        home / ".colima" / "default" / "docker.sock",
        home / ".rd" / "docker.sock",
    ]


def _context(environment: Mapping[str, str]) -> str:
    if environment.get("DOCKER_HOST"):
        return ""
    current = read_config(user_config_directory(environment) / "config.json").get("currentContext", "")
    return environment.get("DOCKER_CONTEXT") or str(current)


def _members(group: int) -> list[str]:
    try:
        return grp.getgrgid(group).gr_mem
    except KeyError:
        return []


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
