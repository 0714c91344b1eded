"""What apt would install, asked of the real apt with the temporary configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox import packages
from sandbox.packages import Distribution
from tasks.system import processes

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        packages.distribution() != Distribution("debian", "bookworm") or not packages.installable(),
        reason="only on Debian 12 as root do packages come from two releases",
    ),
]


def configuration() -> dict[Path, tuple[int, int]]:
    """The files of apt's own configuration, when and as which inode each was written."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in Path("/etc/apt").rglob("*")}


@pytest.fixture(scope="module")
def apt() -> tuple[str, bool]:
    """What apt says of the packages after one update, and whether its own configuration is as it was."""
    names = ("docker.io", "docker-cli", "docker-buildx", "docker-registry", "containerd", "runc", "libc6")
    before = configuration()
    with packages.configured(packages.distribution()) as options:
        processes.check(["apt-get", *options, "update"], next_step="")
        said = processes.check(["apt-cache", *options, "policy", *names], next_step="").output
    return said, configuration() == before


@pytest.fixture
def candidates(apt: tuple[str, bool]) -> dict[str, str]:
    """The version of each package that apt would install."""
    return dict(re.findall(r"^(\S+):\n.*\n  Candidate: (\S+)", apt[0], re.MULTILINE))


@pytest.mark.parametrize("package", ["docker.io", "docker-cli"])
def test_docker_comes_from_the_newer_release(candidates: dict[str, str], package: str) -> None:
    assert int(candidates[package].partition(".")[0]) >= 26


@pytest.mark.parametrize("package", ["docker-buildx", "docker-registry"])
def test_what_debian_12_does_not_have_is_found(candidates: dict[str, str], package: str) -> None:
    assert candidates[package] != "(none)"


@pytest.mark.parametrize(("package", "version"), [("containerd", "1.6."), ("runc", "1.1."), ("libc6", "2.36-")])
def test_what_docker_depends_on_comes_from_the_machines_own_release(
    candidates: dict[str, str], package: str, version: str
) -> None:
    assert candidates[package].startswith(version)


def test_apts_own_configuration_stays_as_it_is(apt: tuple[str, bool]) -> None:
    _, unchanged = apt
    assert unchanged
