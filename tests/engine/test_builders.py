import contextlib
import json
import os
from pathlib import Path

import pytest

from tasks import lock
from tasks.engine import builders
from tasks.engine.buildx import Engine
from tasks.errors import EngineError, LockedError
from tasks.model import Builder
from tests.engine.test_nodes import FARM, INSPECTED_FARM, RUNNING, builder


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
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))


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


def test_a_builder_of_several_nodes_is_created_node_by_node_before_it_boots(tmp_path: Path) -> None:
    docker = StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap farm": (0, INSPECTED_FARM, ""),
            "buildx inspect farm": (1, "", 'ERROR: no builder "farm" found\n'),
            "buildx create": (0, "farm", ""),
        },
    )
    assert ready(FARM, docker, tmp_path) == Engine("farm", "docker-container")
    assert [call.split()[1] for call in docker.asked] == ["inspect", "inspect", "create", "create", "inspect"]
    assert ["--append" in call for call in docker.asked if "create" in call] == [False, True]


def test_a_node_that_cannot_be_added_is_an_error_with_its_command(tmp_path: Path) -> None:
    answers = {
        "buildx inspect farm": (1, "", 'ERROR: no builder "farm" found\n'),
        "buildx create --name farm --driver docker-container --append": (1, "", "ERROR: no context graviton\n"),
        "buildx create": (0, "farm", ""),
    }
    with pytest.raises(EngineError, match=r"(?s)--append.*no context graviton") as fault:
        ready(FARM, StandIn(tmp_path, answers), tmp_path)
    assert "docs/catalogue.md" in fault.value.next_step


def test_a_builder_that_no_engine_can_hold_is_an_error_that_says_to_start_one(tmp_path: Path) -> None:
    answers = {"buildx inspect": NO_BUILDER, "buildx create": (1, "", "ERROR: Cannot connect to the Docker daemon\n")}
    with pytest.raises(EngineError, match="cannot be created") as fault:
        ready(builder(), StandIn(tmp_path, answers), tmp_path)
    assert "start Docker" in fault.value.next_step


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


def test_a_builder_is_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, ""), "buildx rm sleeper": (0, "", "")})
    assert builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper", "buildx rm sleeper"]


def test_a_builder_that_another_run_builds_with_is_not_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, ""), "buildx rm sleeper": (0, "", "")})
    with contextlib.ExitStack() as hold:
        builders.ready(builder(), docker.environment, tmp_path / "builder.json", hold)
        with pytest.raises(LockedError, match="is held by"):
            builders.remove("sleeper", docker.environment)
    assert "buildx rm sleeper" not in docker.asked


def test_removing_a_builder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": NO_BUILDER})
    builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper"]


def test_locks_are_in_a_directory_of_the_users_own(tmp_path: Path) -> None:
    ready(builder(), StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")}), tmp_path)
    folder = tmp_path / f"sleeper-images-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target", ["nowhere", "mine", "file"])
def test_what_only_leads_to_a_directory_of_the_users_own_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / f"sleeper-images-{os.getuid()}").symlink_to(tmp_path / target)
    with pytest.raises(EngineError, match="is no directory of yours"):
        ready(builder(), StandIn(tmp_path, {}), tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_lock_is_where_buildx_keeps_its_builders_so_that_all_who_share_them_share_it(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")})
    shared = tmp_path / "home" / ".docker" / "buildx"
    shared.mkdir(parents=True)
    with contextlib.ExitStack() as hold:
        environment = {**docker.environment, "HOME": str(tmp_path / "home")}
        builders.ready(builder(), environment, tmp_path / "builder.json", hold)
        with pytest.raises(LockedError), lock.held(shared / ".sleeper-images-sleeper.lock"):
            pass
