"""The docker command, its buildx and the Docker engine: what a build needs of them, and what to do about a fault."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.engine.docker_config import read_config, user_config_directory
from tasks.errors import EngineError
from tasks.system import processes
from tasks.system.parallel import each

BUILDX = (0, 13)
"""The oldest buildx that works: `--progress=rawjson` came with 0.13 (its release notes)."""

SECONDS = 60.0
"""How long docker may take to answer."""

_GET_BUILDX = "install docker-buildx-plugin (Debian: docker-buildx), or see https://docs.docker.com/go/buildx/"
_SANDBOX = "or try `./doitw sandbox push_all`"
_SEEN = "sleeper-images-sees"
"""The name of a context that does not exist; docker repeats it all the same."""

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


# Checks


def check_engine(environment: Mapping[str, str], *, engine: bool = True) -> None:
    """Check that docker has a buildx that is new enough, and that an engine answers.

    Without `engine`, only docker and buildx are checked: a builder elsewhere and a push need no engine here.

    Raises:
        EngineError: buildx is missing or too old, or the engine does not answer.
        CommandError: docker is not installed, or does not end.
    """
    questions = [["docker", "buildx", "version"]]
    if engine:
        questions.append(["docker", "version", "--format", "{{.Server.Version}}"])
    done, *answer = each(
        lambda argv: processes.run(argv, environment=environment, timeout=SECONDS), questions, at_once=len(questions)
    )
    if answer and answer[0].code != 0:
        raise unreachable(answer[0], environment)
    if done.code != 0:
        raise EngineError(f"docker has no buildx\n{processes.tail(done)}", _GET_BUILDX)
    found = buildx_version(done.output)
    if found is not None and found < BUILDX:
        oldest, installed = (f"{major}.{minor}" for major, minor in (BUILDX, found))
        raise EngineError(f"buildx must be {oldest} or newer; {installed} is installed", _GET_BUILDX)


def check_sees(directory: Path, environment: Mapping[str, str], *, setting: str) -> None:
    """Check that docker sees the files that we write below a directory; a snap or a container may not.

    `setting` is the setting with which the user can choose another directory.

    Raises:
        EngineError: docker does not see them.
    """
    with tempfile.TemporaryDirectory(prefix="sleeper-images-", dir=directory) as folder:
        # Its configuration is the only file that docker reads and repeats without an engine.
        (Path(folder) / "config.json").write_text(f'{{"currentContext": "{_SEEN}"}}')
        chosen = {name: value for name, value in environment.items() if name not in {"DOCKER_HOST", "DOCKER_CONTEXT"}}
        argv = ["docker", "context", "show"]
        done = processes.run(argv, environment={**chosen, "DOCKER_CONFIG": folder}, timeout=SECONDS)
    if done.code == 0 and done.output.strip() != _SEEN:
        raise EngineError(
            f"docker cannot read the files below {directory}: installed as a snap, it has its own /tmp and reads only "
            "files in the home directory",
            f"mkdir -p ~/sleeper-images, and set {setting} to that directory (no part of its path may begin with a "
            "dot), or install docker from Docker's or the distribution's packages",
        )


def buildx_version(text: str) -> tuple[int, int] | None:
    """Return the version in the output of `docker buildx version`; None for a build without one.

    Docker's packages print `github.com/docker/buildx v0.13.1 788433953`, Debian's `… 0.13.1+ds1 0.13.1+ds1-3`.
    """
    found = re.search(r"\sv?(\d{1,6})\.(\d{1,6})", text)
    return (int(found[1]), int(found[2])) if found else None


# An engine that does not answer


def is_unreachable(text: str) -> bool:
    """Return whether a docker command that failed says that it cannot reach an engine."""
    return any(sign in text for sign in _SIGNS)


def unreachable(done: processes.Completed, environment: Mapping[str, str], because: str = "") -> EngineError:
    """Return the error for a docker command that could not reach an engine.

    `because` says why an engine is needed at all, where that is not obvious.
    """
    step = next_step(done.errors or done.output, environment)
    if because:
        return EngineError(f"{because}, and no Docker engine answers", step)
    return EngineError(f"no Docker engine answers\n{processes.tail(done)}", step)


def next_step(said: str, environment: Mapping[str, str]) -> str:
    """Return what to do about an engine that does not answer, by docker's message and the state of this machine."""
    host = environment.get("DOCKER_HOST", "")
    if found := _CONTEXT.search(said):
        return _other_context(found[1], environment)
    if "permission denied" in said and "stderr=" not in said:
        return _permission(_socket(said, host))
    for sign, step in _REMEDIES:
        if re.search(sign, said):
            return step
    if host and not host.startswith("unix://"):
        return f"start the engine at {_without_login(host)}, or unset DOCKER_HOST to use the engine of this machine"
    return _start(_socket(said, host), environment)


_REMEDIES = (
    (
        r"client version .* is too old",
        "install a newer docker command: the engine no longer supports the API version of this one",
    ),
    (
        r"command \[ssh ",
        "make sure that `ssh HOST docker version` works without a password (HOST as in DOCKER_HOST or the context)",
    ),
    (
        r"\.pem\b|HTTPS|x509|tls: ",
        "set DOCKER_TLS_VERIFY and DOCKER_CERT_PATH for an engine behind TLS; unset both for any other",
    ),
)
"""A pattern in docker's message, and what to do."""


def _without_login(host: str) -> str:
    scheme, mark, rest = host.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _socket(said: str, host: str) -> str:
    found = _SOCKET.search(said)
    return found[1] if found else host.removeprefix("unix://")


def _other_context(name: str, environment: Mapping[str, str]) -> str:
    if environment.get("DOCKER_CONTEXT") == name:
        return f"unset DOCKER_CONTEXT: the Docker context {name} does not exist (`docker context ls` lists them)"
    return f"docker context use default: the Docker context {name} does not exist (`docker context ls` lists them)"


def _permission(socket: str) -> str:
    """Return what to do about a socket that this user may not use."""
    try:
        there = Path(socket).stat()
    except OSError:
        return f"check the permissions of the socket: ls -l {socket}"
    group, me = _group(there.st_gid), _user(os.geteuid())
    if there.st_uid not in {0, os.geteuid()}:
        owner = _user(there.st_uid)
        return f"choose an engine of your own (docker context ls): {socket} belongs to the user {owner}"
    if there.st_gid == 0 or not there.st_mode & stat.S_IWGRP:
        return f"start dockerd with --group docker, then sudo usermod -aG docker $USER: only root may use {socket}"
    if me in _members(there.st_gid):
        return f"log in again, or run `newgrp {group}`: this session began before you joined the group {group}"
    return f"sudo usermod -aG {group} $USER, then log in again (members of {group} can become root on this machine)"


def _start(socket: str, environment: Mapping[str, str]) -> str:
    """Return how to start the engine that listens at a socket of this machine, or which other engine runs."""
    step = _how(socket, environment)
    others = [path for path in _known_sockets(environment) if str(path) != socket and path.is_socket()]
    if others and not environment.get("DOCKER_HOST"):
        return f"{step}, or use the engine that runs: export DOCKER_HOST=unix://{others[0]}"
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
"""A part of the socket's path, and how to start the engine that listens there."""


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
