from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path

import pytest

from tasks.engine import builder_records, builders
from tasks.engine.buildx import Engine
from tasks.errors import EngineError, LockedError
from tasks.model import Builder
from tasks.system import lock
from tests.engine.test_nodes import FARM, INSPECTED_FARM, RUNNING, builder


class StandIn:
    """A `docker` on PATH that answers from a table, writes down what it was asked, and keeps builders."""

    def __init__(self, directory: Path, answers: dict[str, tuple[int, str, str]]) -> None:
        self.calls = directory / "calls"
        cases = "".join(
            f'  "{command}"*) printf "%s" {_quoted(out)}; printf "%s" {_quoted(err)} >&2; exit {code};;\n'
            for command, (code, out, err) in answers.items()
        )
        program = directory / "docker"
        program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.calls}\n{_KEEPS}'
            f'case "$*" in\n{cases}  *) echo "unexpected: $*" >&2; exit 99;;\nesac\n'
        )
        program.chmod(0o755)
        self.environment = {"PATH": f"{directory}:/usr/bin:/bin", "BUILDX_CONFIG": str(directory / "buildx")}

    def made(self, wanted: Builder, *, daemon: bool = True) -> StandIn:
        """Have this project have made the builder before; return this."""
        builder_records.begin(wanted, self.environment)
        self.create(wanted.name)
        builder_records.finish(wanted, self.environment, daemon=daemon)
        return self

    def create(self, name: str) -> None:
        """Create a builder as anybody may."""
        path = builder_records.instance_path(name, self.environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")

    @property
    def asked(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


_KEEPS = """\
case "$*" in
  *"buildx create --name "*) mkdir -p "$BUILDX_CONFIG/instances"; echo "$*" >> "$BUILDX_CONFIG/instances/$4" ;;
  "buildx rm "*) for name; do :; done; rm -f "$BUILDX_CONFIG/instances/$name" ;;
esac
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


NO_BUILDER = (1, "", 'ERROR: no builder "sleeper" found\n')
CONTAINERD = (0, '[["driver-type","io.containerd.snapshotter.v1"]]', "")


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    (tmp_path / "nobody").touch()  # No home: nothing can be made below a file.


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
    assert ready(builder(), docker, tmp_path) == Engine("sleeper", "docker-container", ours=True)
    assert [call.split()[1] for call in docker.asked] == ["inspect", "inspect", "create", "inspect", "inspect"]


def test_an_unfit_builder_is_recreated_with_its_state_kept(tmp_path: Path) -> None:
    docker = StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap sleeper": (0, RUNNING, ""),
            "buildx inspect sleeper": (0, RUNNING, ""),
            "buildx rm --keep-state sleeper": (0, "", ""),
            "buildx create": (0, "sleeper", ""),
        },
    ).made(builder())
    ready(builder(options=()), docker, tmp_path)
    assert "buildx rm --keep-state sleeper" in docker.asked


def cannot_boot(
    tmp_path: Path, info: tuple[int, str, str], said: str = "#1 booting\nERROR: pull access denied\n"
) -> StandIn:
    return StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap sleeper": (1, "", said),
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
        "builder sleeper (docker-container) cannot boot (pull access denied). The engine's own BuildKit builds; "
        "set builder_driver=docker to choose it without this note"
    )


NO_HOST = (
    'ERROR: Error response from daemon: failed to resolve reference "docker.io/moby/buildkit:buildx-stable-1": '
    'failed to do request: Head "https://registry-1.docker.io/v2/moby/buildkit/manifests/buildx-stable-1": '
    "dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such host\n"
)


def test_a_builder_that_cannot_boot_is_told_with_the_host_that_was_not_there(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, CONTAINERD, NO_HOST)
    assert "cannot boot (registry-1.docker.io: no such host)" in ready(builder(), docker, tmp_path).note


def test_where_no_engine_stands_in_both_faults_are_told(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, (1, "", "Cannot connect to the Docker daemon at unix:///x.sock.\n"))
    with pytest.raises(EngineError, match=r"cannot boot \(pull access denied\), and no Docker engine answers"):
        ready(builder(), docker, tmp_path)


def test_a_builder_of_several_nodes_is_created_node_by_node_before_it_boots(tmp_path: Path) -> None:
    docker = StandIn(
        tmp_path,
        {
            "buildx inspect --bootstrap farm": (0, INSPECTED_FARM, ""),
            "buildx inspect farm": (1, "", 'ERROR: no builder "farm" found\n'),
            "buildx create": (0, "farm", ""),
        },
    )
    assert ready(FARM, docker, tmp_path) == Engine("farm", "docker-container", ours=True)
    assert [call.split()[1] for call in docker.asked] == [
        "inspect", "inspect", "create", "create", "inspect", "inspect",
    ]  # fmt: skip
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


RUNS = {"buildx inspect sleeper": (0, RUNNING, ""), "buildx rm": (0, "", "")}


def test_a_builder_of_ours_is_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS).made(builder())
    assert builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper", "buildx rm sleeper"]
    assert builder_records.find("sleeper", docker.environment) is None


def test_a_builder_of_ours_is_removed_without_a_buildkit_that_was_there_before(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS).made(builder(), daemon=False)
    builders.remove("sleeper", docker.environment)
    assert docker.asked[-1] == "buildx rm --keep-daemon sleeper"


def test_somebody_elses_builder_is_not_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    docker.create("sleeper")
    with pytest.raises(EngineError, match="was not made by this project, so it stays"):
        builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper"]


def test_a_builder_that_somebody_else_made_under_the_name_of_ours_is_not_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS).made(builder())
    builder_records.instance_path("sleeper", docker.environment).unlink()
    docker.create("sleeper")
    with pytest.raises(EngineError, match="was not made by this project"):
        builders.remove("sleeper", docker.environment)


def test_somebody_elses_builder_that_differs_is_refused_with_what_differs(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    with pytest.raises(EngineError, match=r"this project did not make.*option network is host, not none") as fault:
        ready(builder(options=(("network", "none"),)), docker, tmp_path)
    assert "builder=sleeper and no other" in fault.value.next_step
    assert {call.split()[1] for call in docker.asked} == {"inspect"}


def test_somebody_elses_builder_that_is_only_named_is_used_as_it_is(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect corp": (0, RUNNING.replace("docker-container", "remote"), "")})
    assert ready(Builder("corp", as_is=True), docker, tmp_path) == Engine("corp", "remote")
    assert docker.asked == ["buildx inspect corp"]


def test_somebody_elses_builder_that_cannot_boot_is_refused_and_stays(tmp_path: Path) -> None:
    stopped = RUNNING.replace("running", "stopped")
    answers = {"buildx inspect --bootstrap": (1, "", "ERROR: no space\n"), "buildx inspect corp": (0, stopped, "")}
    docker = StandIn(tmp_path, answers)
    with pytest.raises(EngineError, match=r"builder corp \(docker-container\) cannot boot \(no space\)"):
        ready(Builder("corp", as_is=True), docker, tmp_path)
    assert {call.split()[1] for call in docker.asked} == {"inspect"}


def test_somebody_elses_builder_that_fits_and_cannot_boot_stays(tmp_path: Path) -> None:
    docker = cannot_boot(tmp_path, CONTAINERD)
    answers = {**RUNS, "buildx inspect --bootstrap": (1, "", "ERROR: no space\n")}
    answers["buildx inspect sleeper"] = (0, RUNNING.replace("running", "stopped"), "")
    docker = StandIn(tmp_path, {**answers, "info": CONTAINERD, "context show": (0, "desktop\n", "")})
    assert ready(builder(), docker, tmp_path).driver == "docker"
    assert not [call for call in docker.asked if " rm " in call]


def test_a_builder_of_ours_is_made_anew_where_its_configuration_changed(tmp_path: Path) -> None:
    config = tmp_path / "buildkitd.toml"
    config.write_text("debug = true\n")
    wanted = builder(config=config)
    again = {"buildx inspect --bootstrap sleeper": (0, RUNNING, ""), "buildx create": (0, "", "")}
    docker = StandIn(tmp_path, {**again, **RUNS}).made(wanted)
    ready(wanted, docker, tmp_path)
    assert docker.asked == ["buildx inspect sleeper"]
    config.write_text("debug = false\n")
    ready(wanted, docker, tmp_path)
    assert "buildx rm --keep-state sleeper" in docker.asked


def test_a_builder_whose_creation_was_cut_off_is_ours(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    builder_records.begin(builder(), docker.environment)
    docker.create("sleeper")
    assert builders.remove("sleeper", docker.environment)


def test_a_builder_that_somebody_created_before_us_meanwhile_is_not_ours(tmp_path: Path) -> None:
    taken = (1, "", 'ERROR: existing instance for "sleeper" but no append mode\n')
    docker = StandIn(tmp_path, {"buildx inspect sleeper": NO_BUILDER, "buildx create": taken})
    with pytest.raises(EngineError, match="existing instance"):
        ready(builder(), docker, tmp_path)
    assert builder_records.instance_path("sleeper", docker.environment).exists()
    assert builder_records.find("sleeper", docker.environment) is None


def test_a_builder_that_was_there_before_a_creation_was_cut_off_is_not_ours(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    docker.create("sleeper")
    builder_records.begin(builder(), docker.environment)
    assert builder_records.find("sleeper", docker.environment) is None


def test_a_builder_created_long_after_a_creation_was_cut_off_is_not_ours(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    builder_records.begin(builder(), docker.environment)
    docker.create("sleeper")
    later = time.time() + builder_records.CREATING_SECONDS + 1
    os.utime(builder_records.instance_path("sleeper", docker.environment), (later, later))
    assert builder_records.find("sleeper", docker.environment) is None


def test_a_buildkit_that_is_there_before_its_builder_is_not_ours(tmp_path: Path) -> None:
    answers = {"buildx inspect --bootstrap sleeper": (0, RUNNING, ""), "buildx create": (0, "sleeper", "")}
    docker = StandIn(tmp_path, {**answers, "buildx inspect sleeper": NO_BUILDER})
    program = tmp_path / "docker"
    # Once it was created, buildx finds the container of that name that another list of builders left.
    created = f"[ -e {tmp_path}/buildx/instances/sleeper ]"
    once = f'[ "$*" = "buildx inspect sleeper" ] && {created} && cat {tmp_path}/found && exit\n'
    (tmp_path / "found").write_text(RUNNING)
    program.write_text(program.read_text().replace("case", once + "case", 1))
    ready(builder(), docker, tmp_path)
    ours = builder_records.find("sleeper", docker.environment)
    assert ours is not None
    assert not ours.daemon


@pytest.mark.parametrize(
    ("host", "step"),
    [("unix:///x", "DOCKER_CONTEXT=desktop and builder_driver=docker"), ("", "set builder_driver=docker")],
)
def test_a_builder_of_an_engines_own_says_how_to_choose_it(tmp_path: Path, host: str, step: str) -> None:
    answers = {
        "buildx inspect desktop": (0, "Name: desktop\nDriver: docker\n", ""),
        "context show": (0, "desktop\n", ""),
    }
    docker = StandIn(tmp_path, answers)
    docker.environment["DOCKER_HOST"] = host
    with pytest.raises(EngineError, match="desktop is the built-in builder of a Docker engine") as fault:
        ready(Builder("desktop", as_is=True), docker, tmp_path)
    assert step in fault.value.next_step
    assert not builders.remove("desktop", docker.environment)


def test_a_builder_of_ours_stays_where_no_engine_answers(tmp_path: Path) -> None:
    dead = RUNNING.partition("Status")[0] + "Error: Cannot connect to the Docker daemon at unix:///x.sock.\n"
    docker = StandIn(tmp_path, {**RUNS, "buildx inspect sleeper": (0, dead, "")}).made(builder())
    with pytest.raises(EngineError, match="no Docker engine answers"):
        ready(builder(), docker, tmp_path)
    assert {call.split()[1] for call in docker.asked} == {"inspect"}


def test_a_builder_that_another_run_builds_with_is_not_removed(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, RUNS)
    with contextlib.ExitStack() as hold:
        builders.ready(builder(), docker.environment, tmp_path / "builder.json", hold)
        with pytest.raises(LockedError, match="is held by"):
            builders.remove("sleeper", docker.environment)
    assert "buildx rm sleeper" not in docker.asked


def test_removing_a_builder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": NO_BUILDER})
    builders.remove("sleeper", docker.environment)
    assert docker.asked == ["buildx inspect sleeper"]


def test_locks_are_in_a_directory_of_the_users_own_where_buildx_has_none(tmp_path: Path) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")})
    docker.environment["BUILDX_CONFIG"] = "/dev/null/nowhere"
    ready(builder(), docker, tmp_path)
    folder = tmp_path / f"sleeper-images-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("target", ["nowhere", "mine", "file"])
def test_what_only_leads_to_a_directory_of_the_users_own_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / f"sleeper-images-{os.getuid()}").symlink_to(tmp_path / target)
    docker = StandIn(tmp_path, {})
    docker.environment["BUILDX_CONFIG"] = "/dev/null/nowhere"
    with pytest.raises(EngineError, match="is not a directory that you own"):
        ready(builder(), docker, tmp_path)
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("there", [True, False], ids=["later", "at first"])
def test_the_lock_of_a_builder_lies_with_the_list_that_its_users_share(tmp_path: Path, *, there: bool) -> None:
    docker = StandIn(tmp_path, {"buildx inspect sleeper": (0, RUNNING, "")})
    shared = tmp_path / "home" / ".docker" / "buildx"
    if there:
        shared.mkdir(parents=True)
    with contextlib.ExitStack() as hold:
        environment = {**docker.environment, "HOME": str(tmp_path / "home"), "BUILDX_CONFIG": ""}
        builders.ready(builder(), environment, tmp_path / "builder.json", hold)
        with pytest.raises(LockedError), lock.held(shared / ".sleeper-images-sleeper.lock"):
            pass
