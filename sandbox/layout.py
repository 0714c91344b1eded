"""The sandbox's paths, ports and names, which are known when the graph is loaded. Pure.

The ports and the directory of the sockets follow from the sandbox's path: two checkouts do not collide, and a second
run finds what the first one started.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import SettingsError

INSTANCE_ID = "sandbox"
ACCOUNT = "123456789012"
"""moto's default account."""

REGION = "eu-west-2"
VERSION = "0.1.0-sandbox"
BUILDER_DRIVER = "docker-container"
BUILDER_OPTIONS = (("network", "host"),)
"""A docker-container builder reaches a registry on the host's loopback only from the host's network."""

USER = "AWS"
PASSWORD = f"{ACCOUNT}-auth-token"
"""The token of moto's ECR; with it as the password, clients log in to the sandbox's registry."""

REGISTRY_PORT_VARIABLE = "SANDBOX_REGISTRY_PORT"
API_PORT_VARIABLE = "SANDBOX_API_PORT"

_ORIGIN = "the sandbox"
_FIRST_PORT = 20_000
"""The ports from here to 29,999 are below those that Linux and macOS assign to clients."""

_PORT_PAIRS = 5_000
_SOCKET_LIMIT = 103
"""The longest path of a unix socket: 107 bytes on Linux, 103 on macOS."""

_LONGEST_SOCKET = "/exec/libnetwork/0123456789ab.sock"
"""The longest of the paths that dockerd and containerd bind below `runtime`."""


@dataclass(frozen=True)
class Sandbox:
    """One sandbox.

    Attributes:
        directory: the directory of all its files, except its sockets.
        registry_port: the registry's port on 127.0.0.1.
        api_port: the port of the ECR and STS API on 127.0.0.1.
        runtime: the directory of its engine's sockets, with a path short enough for them.
        version: the version of the sample scripts.
    """

    directory: Path
    registry_port: int
    api_port: int
    runtime: Path
    version: str = VERSION

    @property
    def docker_registry(self) -> str:
        """The registry's host and port."""
        return f"127.0.0.1:{self.registry_port}"

    @property
    def endpoint_url(self) -> str:
        """The ECR and STS API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def scripts_dir(self) -> Path:
        """The sample of Sleeper's scripts directory."""
        return self.directory / "scripts"

    @property
    def registry_disk(self) -> Path:
        """The directory of the registry's repositories and blobs."""
        return self.directory / "registry"

    @property
    def engine_socket(self) -> Path:
        """The socket of a private engine."""
        return self.runtime / "docker.sock"

    @property
    def bridge(self) -> str:
        """The network interface of a private engine; Linux allows 15 characters."""
        return f"sandbox{_digest(self.directory)[:8]}"

    @property
    def builder(self) -> str:
        """The buildx builder. Its container has this name too, and two checkouts may share the user's engine."""
        return f"sleeper-sandbox-{_digest(self.directory)[:8]}"

    @property
    def registry_container(self) -> str:
        """The registry's container, where the registry runs in one."""
        return f"sleeper-sandbox-registry-{_digest(self.directory)[:8]}"

    @property
    def state(self) -> Path:
        """The records of what was started, and the lock."""
        return self.directory / "state"

    @property
    def logs(self) -> Path:
        """The logs of the servers."""
        return self.directory / "log"

    def settings(self, driver: str = "") -> dict[str, tuple[str, str]]:
        """Return the settings of a run against the sandbox by name, each with its value and origin.

        Args:
            driver: the driver that the command line sets, or empty; the default options fit the default driver only.
        """
        values = {
            "SCRIPTS_DIR": str(self.scripts_dir),
            "INSTANCE_ID": INSTANCE_ID,
            "ACCOUNT": ACCOUNT,
            "REGION": REGION,
            "DOCKER_REGISTRY": self.docker_registry,
            "REGISTRY": "ecr",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "VERSION": self.version,
            "BUILDER": self.builder,
            "BUILDER_DRIVER": BUILDER_DRIVER,
        }
        if driver.lower() in {"", BUILDER_DRIVER}:
            values["BUILDER_OPTIONS"] = ",".join(f"{name}={value}" for name, value in BUILDER_OPTIONS)
        return {name: (value, _ORIGIN) for name, value in values.items()}

    def environment(self, outer: Mapping[str, str]) -> dict[str, str]:
        """Return `outer` with the sandbox's API as the only AWS.

        The user's AWS_* variables are removed and the user's configuration files are hidden: no credential, profile or
        endpoint of a real account may be used, or be sent to the sandbox.
        """
        kept = {name: value for name, value in outer.items() if not name.startswith("AWS_")}
        return kept | self.aws()

    def aws(self) -> dict[str, str]:
        """Return the variables that make AWS clients use the sandbox."""
        return {
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def defaults(directory: Path, variables: Mapping[str, str] | None = None) -> Sandbox:
    """Return the sandbox of a directory.

    Args:
        directory: an absolute path; it need not exist.
        variables: SANDBOX_REGISTRY_PORT and SANDBOX_API_PORT, to choose other ports.

    Raises:
        SettingsError: a port is not a number from 1 to 65535, or both are the same.
    """
    variables = variables or {}
    digest = _digest(directory)
    first = _FIRST_PORT + 2 * (int(digest[:8], 16) % _PORT_PAIRS)
    registry_port = _port(variables, REGISTRY_PORT_VARIABLE, first)
    api_port = _port(variables, API_PORT_VARIABLE, first + 1)
    if registry_port == api_port:
        raise SettingsError(
            f"the sandbox's registry and its API both have port {api_port}",
            f"set {REGISTRY_PORT_VARIABLE} and {API_PORT_VARIABLE} to different ports",
        )
    return Sandbox(directory, registry_port, api_port, _runtime(directory, digest))


def _digest(directory: Path) -> str:
    return hashlib.sha256(str(directory).encode()).hexdigest()


def _runtime(directory: Path, digest: str) -> Path:
    inside = directory / "run"
    if len(f"{inside}{_LONGEST_SOCKET}".encode()) <= _SOCKET_LIMIT:
        return inside
    return Path("/tmp") / f"sleeper-sandbox-{digest[:12]}"  # noqa: S108  # Made private, and refused if it is somebody else's.


def _port(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):  # noqa: PLR2004  # The highest port.
        raise SettingsError(f"{name}={text}: must be a port", f"set {name} to a number from 1 to 65535")
    return int(text)
