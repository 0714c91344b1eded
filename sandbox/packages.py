"""Installs missing programs from the distribution's packages, on Debian and Ubuntu as root.

apt gets a configuration of its own in a temporary directory (sources, preferences, lists, cache); nothing is left in
/etc/apt. Debian 12's own docker.io is 20.10 and has neither a containerd image store nor buildx; there the four
Docker packages come from Debian 13, and everything that they depend on from Debian 12, whose C library is older.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import CommandError, EngineError
from tasks.system import processes

LOCK_SECONDS = 120
"""How long apt waits for the lock of another package manager."""

INSTALL_SECONDS = 900.0
"""How long an installation may take."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_OS_RELEASE = Path("/etc/os-release")
_SYSTEMD = Path("/run/systemd/system")
_TOO_OLD = {"bookworm": "trixie"}
"""Debian's releases whose Docker is too old, and the release whose Docker is installed there."""

_FROM_NEWER = ("docker.io", "docker-cli", "docker-buildx", "docker-registry")
_SERVICES = ("docker.socket", "docker.service", "containerd.service", "docker-registry.service")

Tell = Callable[[str], None]
"""Called with what begins and takes long."""


def silent(what: str) -> None:  # A `Tell`.
    """Do nothing."""


@dataclass(frozen=True)
class Distribution:
    """A Linux distribution, as os-release(5) names it.

    Attributes:
        name: its ID, `debian` or `ubuntu` if packages can be installed.
        codename: the release's, `bookworm`.
    """

    name: str
    codename: str

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Parse the text of an os-release file; a missing value is empty."""
        pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
        values = {name: value.strip().strip("\"'") for name, value in pairs}
        return cls(values.get("ID", ""), values.get("VERSION_CODENAME", ""))


def installable() -> bool:
    """Return whether packages can be installed here: on Debian or Ubuntu, as root, with apt."""
    return distribution().name in {"debian", "ubuntu"} and os.geteuid() == 0 and shutil.which("apt-get") is not None


def distribution() -> Distribution:
    """Return the distribution of this machine; with empty names if it is not Linux."""
    return Distribution.parse(_OS_RELEASE.read_text()) if _OS_RELEASE.exists() else Distribution("", "")


def install(names: Iterable[str], *, log: Path, tell: Tell = silent) -> None:
    """Install packages without starting their services.

    Args:
        names: the names of the packages in Debian.
        log: the file for apt's output.
        tell: called with what is installed.

    Raises:
        EngineError: apt failed, or packages cannot be installed on this machine.
    """
    wanted = sorted(names)
    if not installable():
        raise EngineError(
            f"cannot install {', '.join(wanted)}: only root on Debian or Ubuntu can",
            "install Docker Engine 24 or newer with its buildx plugin and start it, then run again",
        )
    tell(f"installing {', '.join(wanted)}; apt's output is in {log}")
    with configured(distribution()) as options, _services_held_back():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        _apt(["apt-get", *options, "update"], environment, log.with_suffix(".update.log"))
        _apt(["apt-get", *options, "install", "--yes", "--no-install-recommends", *wanted], environment, log)


@contextmanager
def configured(here: Distribution) -> Iterator[list[str]]:
    """Yield the options that make apt use a configuration of its own, which is removed afterwards.

    Raises:
        EngineError: the machine's own configuration does not say where its packages come from.
    """
    with tempfile.TemporaryDirectory(prefix="sleeper-apt-") as name:
        directory = Path(name)
        # apt downloads as a user of its own, who must be able to enter the directory.
        directory.chmod(0o755)
        yield _options(directory, here)


def sources(uri: str, codename: str, newer: str) -> str:
    """Return apt's sources, in the format of deb822: `codename` and `newer` of Debian at the mirror `uri`."""
    signed = f"Signed-By: {_KEYRING}\n" if _KEYRING.exists() else ""
    return f"Types: deb\nURIs: {uri}\nSuites: {codename} {newer}\nComponents: main\n{signed}"


def preferences(newer: str) -> str:
    """Return apt's preferences: only Docker's packages come from the suite `newer`."""
    return (
        f"Package: *\nPin: release n={newer}\nPin-Priority: -1\n\n"
        f"Package: {' '.join(_FROM_NEWER)}\nPin: release n={newer}\nPin-Priority: 990\n"
    )


def _options(directory: Path, here: Distribution) -> list[str]:
    """Write apt's temporary configuration; return the options that make apt use it."""
    for part in ("sources", "preferences", "lists/partial", "cache/archives/partial"):
        (directory / part).mkdir(parents=True)
    settings = {
        "Dir::State::lists": f"{directory}/lists",
        "Dir::Cache": f"{directory}/cache",
        "DPkg::Lock::Timeout": str(LOCK_SECONDS),
        "Acquire::Retries": "3",
    }
    newer = _TOO_OLD.get(here.codename)
    if newer is not None:
        (directory / "sources" / "docker.sources").write_text(sources(_mirror(here.codename), here.codename, newer))
        (directory / "preferences" / "docker").write_text(preferences(newer))
        settings |= {
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": f"{directory}/sources",
            "Dir::Etc::preferencesparts": f"{directory}/preferences",
        }
    return [text for name, value in settings.items() for text in ("-o", f"{name}={value}")]


def _mirror(codename: str) -> str:
    """Return the URI of `codename` in the machine's own sources, which may name a mirror or a proxy."""
    command = ["apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)"]
    for line in processes.check(command, next_step="check the sources in /etc/apt").output.splitlines():
        match line.split():
            case ["Packages", release, "main", uri] if release == codename:
                return uri
    raise EngineError(
        f"the sources of apt do not have the suite {codename} with the component main",
        "add it to /etc/apt/sources.list.d, or install Docker Engine 24 or newer with its buildx plugin",
    )


def _apt(argv: list[str], environment: Mapping[str, str], log: Path) -> None:
    try:
        processes.check(argv, environment=environment, log=log, timeout=INSTALL_SECONDS, next_step=f"see {log}")
    except CommandError as fault:
        raise EngineError(
            fault.message, f"see {log}, or install Docker Engine 24 or newer with its buildx plugin"
        ) from fault


@contextmanager
def _services_held_back() -> Iterator[None]:
    """Keep systemd from starting the services of packages while they are installed; the sandbox starts its own."""
    if not _SYSTEMD.is_dir():
        yield
        return
    # Only in /run: a machine that loses power now has its services unmasked after its next start.
    processes.check(["systemctl", "mask", "--runtime", *_SERVICES], next_step="see systemctl status")
    try:
        yield
    finally:
        processes.check(["systemctl", "unmask", "--runtime", *_SERVICES], next_step="see systemctl status")
