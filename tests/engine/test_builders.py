import contextlib
import json
import os
from pathlib import Path

import pytest

from tasks.engine import builders
from tasks.engine.buildx import Engine
from tasks.errors import EngineError
from tasks.model import Builder

RUNNING = """\
Name:          sleeper
Driver:        docker-container
Last Activity: 2026-01-01 00:00:00 +0000 UTC

Nodes:
Name:                  sleeper0
Endpoint:              unix:///var/run/docker.sock
Driver Options:        network="host" image="moby/buildkit:v0.13.2"
Status:                running
BuildKit daemon flags: --allow-insecure-entitlement=network.host
BuildKit version:      v0.13.2
Platforms:             linux/amd64*, linux/amd64/v2, linux/arm64
Labels:
 org.mobyproject.buildkit.worker.executor: oci
GC Policy rule#0:
 All:           false
"""


def builder(**changes: object) -> Builder:
    values: dict[str, object] = {
        "name": "sleeper",
        "driver": "docker-container",
        "options": (("network", "host"), ("image", "moby/buildkit:v0.13.2")),
    }
    return Builder(**(values | changes))  # type: ignore[arg-type]  # Each value is of its field's type.


def test_an_inspected_builder_is_read() -> None:
    found = builders.parse(RUNNING)
    assert found == builders.Inspected(
        driver="docker-container",
        options=(("image", "moby/buildkit:v0.13.2"), ("network", "host")),
        platforms=frozenset({"linux/amd64", "linux/amd64/v2", "linux/arm64"}),
        running=True,
        fault="",
    )


def test_a_builder_with_a_stopped_node_does_not_run() -> None:
    assert not builders.parse(RUNNING + "\nName: sleeper1\nStatus: inactive\n").running


def test_a_builder_whose_node_has_an_error_does_not_fit() -> None:
    assert not builders.fits(builders.parse(RUNNING + "Error: cannot connect\n"), builder())


def test_the_order_of_options_does_not_matter() -> None:
    assert builders.fits(builders.parse(RUNNING), builder())


@pytest.mark.parametrize("changes", [{"driver": "kubernetes"}, {"options": ()}, {"options": (("network", "none"),)}])
def test_another_driver_or_other_options_do_not_fit(changes: dict[str, object]) -> None:
    assert not builders.fits(builders.parse(RUNNING), builder(**changes))


def test_a_builder_is_created_as_described_and_not_made_the_current_one() -> None:
    argv = builders.creation(
        builder(platforms=("linux/amd64", "linux/arm64"), config=Path("/etc/b.toml"), endpoint="ctx")
    )
    assert argv == [
        "docker", "buildx", "create", "--name", "sleeper", "--driver", "docker-container",
        "--driver-opt", "network=host", "--driver-opt", "image=moby/buildkit:v0.13.2",
        "--platform", "linux/amd64,linux/arm64", "--config", "/etc/b.toml", "ctx",
    ]  # fmt: skip


class StandIn:
    """A `docker` on PATH that answers from a table and writes down what it was asked."""

    def __init__(self, directory: Path, answers: dict[str, tuple[int, str, str]]) -> None:
        self.calls = directory / "calls"
        cases = "".join(
            f'  "{command}"*) printf "%s" {_quoted(out)}; printf "%s" {_quoted(err)} >&2; exit {code};;\n'
            for command, (code, out, err) in answers.items()
        )
        program = directory / "docker"
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.calls}\n'
            f'case "$*" in\n{cases}  *) echo "unexpected: $*" >&2; exit 99;;\nesac\n'
        )
        program.chmod(0o755)
        self.environment = {"PATH": f"{directory}:/usr/bin:/bin"}

    @property
    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


NO_BUILDER = (1, "", 'ERROR: no builder "sleeper" found\n')
CONTAINERD = (0, '[["driver-type","io.containerd.snapshotter.v1"]]', "")


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def ready(wanted: Builder, docker: StandIn, tmp_path: Path) -> Engine:
    with contextlib.ExitStack() as hold:
        return builders.ready(wanted, docker.environment, tmp_path / "state" / "builder.json", hold)


def test_a_running_builder_that_fits_is_kept(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")})
    assert ready(builder(), docker, tmp_path) == Engine("sleeper", "docker-container")
    assert docker.asked == ["buildx inspect sleeper"]


def test_a_missing_builder_is_created_and_booted(tmp_path: Path) -> None:
    docker = StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap sleeper": (0, RUNNING, ""),
            "buildx inspect sleeper": NO_BUILDER,
            "buildx create": (0, "sleeper", ""),
        },
    )
    assert ready(builder(), docker, tmp_path) == Engine("sleeper", "docker-container")
    assert [call.split()[1] for call in docker.asked] == ["inspect", "inspect", "create", "inspect"]


def test_an_unfit_builder_is_recreated_with_its_state_kept(tmp_path: Path) -> None:
    docker = StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap sleeper": (0, RUNNING, ""),
            "buildx inspect sleeper": (0, RUNNING, ""),
            "buildx rm --keep-state sleeper": (0, "", ""),
            "buildx create": (0, "sleeper", ""),
        },
    )
    ready(builder(options=()), docker, tmp_path)
    assert "buildx rm --keep-state sleeper" in docker.asked


def cannot_boot(tmp_path: Path, info: tuple[int, str, str]) -> StandIn:
    return StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap sleeper": (1, "", "#1 booting\nERROR: pull access denied\n"),
            "buildx inspect sleeper": NO_BUILDER,
            "buildx create": (0, "sleeper", ""),
            "buildx rm sleeper": (0, "", ""),
            "info": info,
            "context show": (0, "desktop\n", ""),
        },
    )


def test_where_the_driver_cannot_boot_the_engine_itself_builds_and_says_so(tmp_path: Path) -> None:
    found = ready(builder(), cannot_boot(tmp_path, CONTAINERD), tmp_path)
    assert (found.builder, found.driver) == ("desktop", "docker")
    assert found.note == (
        "builder sleeper (docker-container) cannot boot (pull access denied), so the engine's own BuildKit builds"
    )


def test_a_driver_that_cannot_boot_is_not_tried_again_the_same_day(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, CONTAINERD)
    first = ready(builder(), docker, tmp_path)
    docker.calls.unlink()
    assert ready(builder(), docker, tmp_path) == first
    assert docker.asked == []


def test_another_description_is_tried_though_the_former_could_not_boot(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, CONTAINERD)
    ready(builder(), docker, tmp_path)
    docker.calls.unlink()
    ready(builder(options=()), docker, tmp_path)
    assert "buildx inspect --bootstrap sleeper" in docker.asked


@pytest.mark.parametrize("memory", ["", "{}", "[]", '{"at": "x"}', json.dumps({"at": 4e12, "circumstances": {}})])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, memory: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "builder.json").write_text(memory)
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")})
    assert ready(builder(), docker, tmp_path).driver == "docker-container"


def test_an_engine_without_the_containerd_store_cannot_stand_in(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, (0, '[["Backing Filesystem","extfs"]]', ""))
    with pytest.raises(EngineError, match="has no containerd image store") as fault:
        ready(builder(), docker, tmp_path)
    assert "containerd-snapshotter" in fault.value.next_step


def test_an_engine_that_does_not_answer_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"info": (1, "", "Cannot connect to the Docker daemon\n")})
    with pytest.raises(EngineError, match="no Docker engine answers\n    Cannot connect") as fault:
        ready(builder(driver="docker"), docker, tmp_path)
    assert "start Docker" in fault.value.next_step


def test_with_docker_host_set_the_engines_builder_is_the_default_one(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"info": CONTAINERD, "context show": (0, "default\n", "")})
    docker.environment["DOCKER_HOST"] = "unix:///tmp/x.sock"
    assert ready(builder(driver="docker"), docker, tmp_path) == Engine("default", "docker")


def test_removing_a_builder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": NO_BUILDER})
    builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper"]


def test_locks_are_in_a_directory_of_the_users_own(tmp_path: Path) -> None:
    ready(builder(), StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")}), tmp_path)
    folder = tmp_path / f"sleeper-images-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
