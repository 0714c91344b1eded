from pathlib import Path

import pytest

from sandbox import packages
from sandbox.packages import Distribution, preferences, sources
from tasks.errors import EngineError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=debian\nVERSION_CODENAME=bookworm\nNAME="Debian GNU/Linux"\n', Distribution("debian", "bookworm")),
        ('PRETTY_NAME="Ubuntu 24.04"\nID="ubuntu"\nVERSION_CODENAME=\'noble\'\n', Distribution("ubuntu", "noble")),
        ("ID=alpine\n# no code name\n", Distribution("alpine", "")),
        ("", Distribution("", "")),
    ],
)
def test_the_distribution_is_read_from_os_release(text: str, expected: Distribution) -> None:
    assert Distribution.parse(text) == expected


def test_only_dockers_packages_come_from_the_newer_release() -> None:
    everything, docker = preferences("trixie").split("\n\n")

    assert everything == "Package: *\nPin: release n=trixie\nPin-Priority: -1"
    assert docker.splitlines()[0] == "Package: docker.io docker-cli docker-buildx docker-registry"


def test_both_releases_come_from_the_machines_own_mirror() -> None:
    lines = sources("https://mirror.example/debian", "bookworm", "trixie").splitlines()

    assert lines[1:3] == ["URIs: https://mirror.example/debian", "Suites: bookworm trixie"]


def test_what_is_installed_is_told_before_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("apt-get", "systemctl"):
        (programs / name).write_text(f"#!/bin/sh\nexec >> {tmp_path}/ran\necho {name}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(packages, "installable", lambda: True)
    monkeypatch.setattr(packages, "distribution", lambda: Distribution("debian", "trixie"))
    told: list[tuple[str, bool]] = []

    log = tmp_path / "apt.log"
    packages.install(
        ["docker.io", "containerd"], log=log, tell=lambda what: told.append((what, (tmp_path / "ran").exists()))
    )

    assert told == [(f"installing containerd, docker.io; apt's output is in {log}", False)]
    assert "apt-get" in (tmp_path / "ran").read_text()


def test_where_nothing_can_be_installed_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "installable", lambda: False)

    with pytest.raises(EngineError, match=r"docker-registry, docker\.io") as fault:
        packages.install(["docker.io", "docker-registry"], log=tmp_path / "log")

    assert "Docker Engine" in fault.value.next_step
