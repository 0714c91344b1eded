"""The sandbox's own Docker engine: containerd and dockerd, with all their files below the sandbox's directory.

They share nothing with the machine's engine: they have their own containerd, sockets and bridge, and no firewall rules.
Therefore RUN in a Dockerfile works, but reaches no other machine.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import socket
import struct
import sys
from pathlib import Path

from sandbox import packages
from sandbox.layout import Sandbox
from sandbox.packages import Tell
from sandbox.process import Server
from tasks.errors import CommandError, EngineError
from tasks.system import processes

ANSWER_SECONDS = 60.0
"""How long the engine may take to start; it takes a quarter of a second to two seconds."""

PING_SECONDS = 5.0
"""How long an engine may take to answer a ping."""

_PROGRAMS = {
    "dockerd": "docker.io",
    "containerd": "containerd",
    "docker": "docker-cli",
    # Not a part of the engine, but needed beside a private one; two installations would take twice as long.
    "docker-registry": "docker-registry",
}
"""The programs that are started, and the packages of Debian that have them."""

# linux/sockios.h
_SET_FLAGS, _ADD_BRIDGE, _DELETE_BRIDGE = 0x8914, 0x89A0, 0x89A1

_NEXT = "start Docker Engine 24 or newer (or Docker Desktop) with its buildx plugin, then run again"
_KEPT = ("PATH", "HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
"""The variables that the engine gets of our environment: not AWS's, and not Docker's own."""


def running(sandbox: Sandbox) -> bool:
    """Return whether both processes run and the engine answers."""
    return all(server.pid() is not None for server in _servers(sandbox)) and answers(sandbox.engine_socket)


def start(sandbox: Sandbox, tell: Tell) -> None:
    """Start the engine; first install its programs, where they are missing and can be installed.

    Raises:
        EngineError: it cannot be started here; the next step says what to install.
    """
    _check_programs(sandbox, tell)
    make_private(sandbox.runtime)
    store = sandbox.directory / "engine"
    for name in ("containerd", "dockerd"):
        (store / name).mkdir(parents=True, exist_ok=True)
    (store / "containerd.toml").write_text(containerd_configuration(sandbox))
    configured = dockerd_configuration(sandbox, bridge=_make_bridge(sandbox))
    (store / "dockerd.json").write_text(json.dumps(configured, indent=2) + "\n")
    # dockerd does not start if this file names a process that runs, even one of another program.
    (sandbox.runtime / "dockerd.pid").unlink(missing_ok=True)
    containerd, dockerd = _servers(sandbox)
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    containerd.start(["containerd", "--config", str(store / "containerd.toml")], environment)
    dockerd.start(["dockerd", "--config-file", str(store / "dockerd.json")], environment)
    dockerd.await_answer(lambda: answers(sandbox.engine_socket), ANSWER_SECONDS)


def stop(sandbox: Sandbox) -> None:
    """Stop the engine; its images and caches stay.

    Raises:
        EngineError: a process belongs to another user.
    """
    for server in reversed(_servers(sandbox)):
        server.stop()
    _unmount(sandbox)
    _remove_bridge(sandbox)


def containerd_configuration(sandbox: Sandbox) -> str:
    """Return containerd's configuration, without its Kubernetes plugin."""
    return (
        "version = 2\n"
        f"root = {json.dumps(str(sandbox.directory / 'engine' / 'containerd'))}\n"
        f"state = {json.dumps(str(sandbox.runtime / 'containerd'))}\n"
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        "[grpc]\n"
        f"address = {json.dumps(str(sandbox.runtime / 'containerd.sock'))}\n"
    )


def dockerd_configuration(sandbox: Sandbox, *, bridge: str) -> dict[str, object]:
    """Return dockerd's configuration; `bridge` is an existing network interface, or `none`."""
    return {
        "hosts": [f"unix://{sandbox.engine_socket}"],
        "containerd": str(sandbox.runtime / "containerd.sock"),
        "data-root": str(sandbox.directory / "engine" / "dockerd"),
        "exec-root": str(sandbox.runtime / "exec"),
        "pidfile": str(sandbox.runtime / "dockerd.pid"),
        "bridge": bridge,
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "features": {"containerd-snapshotter": True},
    }


def answers(path: Path) -> bool:
    """Return whether an engine answers on a unix socket."""
    connection = http.client.HTTPConnection("localhost")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plain:
            plain.settimeout(PING_SECONDS)
            plain.connect(str(path))
            connection.sock = plain
            connection.request("GET", "/_ping")
            with connection.getresponse() as answer:
                return answer.status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def has_buildx() -> bool:
    """Return whether the docker on PATH finds its buildx plugin."""
    try:
        return processes.run(["docker", "buildx", "version"]).code == 0
    except CommandError:
        return False


def _servers(sandbox: Sandbox) -> tuple[Server, Server]:
    return Server("containerd", sandbox.state, sandbox.logs), Server("dockerd", sandbox.state, sandbox.logs)


def _check_programs(sandbox: Sandbox, tell: Tell) -> None:
    if not sys.platform.startswith("linux"):
        raise EngineError("no Docker engine answers that can build for several platforms", _NEXT)
    if os.geteuid() != 0:
        raise EngineError(
            "no Docker engine answers that can build for several platforms, and only root can start one", _NEXT
        )
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if not has_buildx():
        missing.append("docker-buildx")
    if missing:
        packages.install(missing, log=sandbox.logs / "apt.log", tell=tell)
    if not has_buildx():
        raise EngineError(
            f"{shutil.which('docker')} does not find the buildx plugin",
            "put the docker of the same packages first on PATH",
        )


def make_private(directory: Path) -> None:
    """Create a directory that only this user can enter; refuse one of another user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise EngineError(f"{directory} belongs to another user", "remove it, or move this checkout")
    directory.chmod(0o700)


def _make_bridge(sandbox: Sandbox) -> str:
    """Return the engine's network interface, created if it is missing; `none` if that is not allowed."""
    if not _bridge_exists(sandbox):
        try:
            _interface(_ADD_BRIDGE, sandbox.bridge)
        except OSError:
            # In a container without that capability. Only RUN needs the interface.
            return "none"
    return sandbox.bridge


def _remove_bridge(sandbox: Sandbox) -> None:
    if _bridge_exists(sandbox):
        _interface(_SET_FLAGS, sandbox.bridge)
        _interface(_DELETE_BRIDGE, sandbox.bridge)


def _bridge_exists(sandbox: Sandbox) -> bool:
    return Path("/sys/class/net", sandbox.bridge).exists()


def _interface(request: int, name: str) -> None:
    """Ask the kernel for something about a network interface (netdevice(7)), as ip(8) need not be installed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        # A struct ifreq: the name, and then the flags, none of which is set: the interface is down.
        fcntl.ioctl(plain, request, struct.pack("16sH22x", name.encode(), 0))


def _unmount(sandbox: Sandbox) -> None:
    """Undo the mounts that an engine leaves when it is killed: its data, bound to itself, and containers' networks."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return
    # proc_pid_mountinfo(5): blanks in a path are written as octal escapes.
    points = [line.split()[1].encode().decode("unicode_escape") for line in mounts.read_text().splitlines()]
    ours = (sandbox.directory / "engine", sandbox.runtime)
    for point in reversed(points):
        if any(Path(point).is_relative_to(directory) for directory in ours):
            processes.check(["umount", point], next_step=f"see what uses {point}")
