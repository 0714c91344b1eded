"""The servers that a run needs, killed in the middle of it: the engine, the registry, the ECR API."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import servers
from sandbox.layout import Sandbox
from tests.faults import processes
from tests.faults.place import SIX, Place, place
from tests.integration.conftest import new_sandbox, start, usable
from tests.integration.drivers import BY_DIGEST, DOCKER, Drivers
from tests.waiting import await_until

pytestmark = pytest.mark.integration


@pytest.fixture(params=[DOCKER])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place in a sandbox of the test's own, with a builder of one driver."""
    box = new_sandbox()
    with contextlib.ExitStack() as closing:
        closing.callback(servers.remove, box)
        engine = usable(box, start(box))
        drivers = Drivers(engine, Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="brg-"))))
        closing.callback(drivers.close)
        if not drivers.can(request.param):
            pytest.skip("the engine is not at a unix socket of this machine, so no bridge reaches it")
        variables = dict(drivers.get(request.param).variables)
        (tmp_path / "place").mkdir()
        yield closing.enter_context(place(tmp_path / "place", box, engine, SIX, **variables))


def server(box: Sandbox, name: str) -> int:
    """Return the process id of one of the sandbox's servers."""
    return int(json.loads((box.state / f"{name}.json").read_text())["pid"])


def repair_links(disk: Path) -> None:
    """Restore the links that a killed registry left empty, as its operator has to.

    Registry 2.8 truncates a link before it writes it (its storage driver's PutContent), and answers 500 about an image
    with an empty one ever after. A link's content is the digest that its directory is named after; a tag's, which has
    no such directory, goes.
    """
    for link in list(disk.rglob("link")):
        if link.stat().st_size == 0:
            if link.parent.name == "current":
                shutil.rmtree(link.parent)
            else:
                link.write_text(f"{link.parent.parent.name}:{link.parent.name}")


@pytest.mark.parametrize(
    ("names", "after"),
    [
        (["dockerd"], 0),
        (["containerd", "dockerd"], 3),
        (["registry"], 3),
        pytest.param(["dockerd"], 3, marks=pytest.mark.nightly),
        pytest.param(["containerd", "dockerd"], 0, marks=pytest.mark.nightly),
        pytest.param(["registry"], 0, marks=pytest.mark.nightly),
    ],
)
def test_a_server_that_is_killed_fails_what_needs_it_and_the_next_run_goes_on(
    own: Place, names: list[str], after: int
) -> None:
    killed_in_the_middle(own, names, after)


@pytest.mark.parametrize("own", BY_DIGEST, indirect=True)
def test_an_engine_that_is_killed_below_another_driver_fails_clearly(own: Place) -> None:
    killed_in_the_middle(own, ["dockerd"], 1)


def killed_in_the_middle(own: Place, names: list[str], after: int) -> None:
    """Kill servers when some images are tagged and start them again; the next run must build only what is left."""
    box = own.project.sandbox
    if not own.project.engine.private and names != ["registry"]:
        pytest.skip("the engine is the user's, and not ours to kill")
    running = own.project.start("push_all")

    def tagged() -> bool:
        tags = sum(one.step == "ours: PUT version tag" for one in own.registry.asked)
        return bool(own.registry.asked) and tags >= after

    await_until(tagged, 60, running=running)
    if not (box.state / f"{names[0]}.json").exists():
        assert os.environ.get("CI") != "true", sorted(path.name for path in box.state.iterdir())
        pytest.skip(f"{names[0]} is not a process of ours on this machine")
    processes.kill([server(box, name) for name in names])
    output, _ = running.communicate(timeout=300)
    assert running.returncode in {1, 2}, output
    assert "Traceback" not in output, output
    assert "next:" in output
    if names != ["registry"]:
        # One fault, however many images it stopped.
        assert output.count("FAILED") == 1, output
        assert "no longer answers" in output or "no Docker engine answers" in output, output
    repair_links(box.registry_disk)
    own.truth.check()
    there = {image for image, tags in own.truth.tagged().items() if tags}
    start(box)
    assert own.repair().built & there == set()


def test_a_snapshot_that_buildkit_lost_is_done_without(own: Place) -> None:
    box, project = own.project.sandbox, own.project
    containerd = box.runtime / "containerd.sock"
    if not project.engine.private:
        pytest.skip("the engine is the user's, and its cache not ours to break")
    if not containerd.exists() or shutil.which("ctr") is None:
        assert os.environ.get("CI") != "true", "the sandbox's containerd cannot be asked"
        pytest.skip("the sandbox's containerd cannot be asked")
    assert project.run("stage:query-lambda").code == 0
    (context,) = (project.state / "contexts").glob("query-lambda-*")
    build = ["docker", "buildx", "build", "--builder=default", "--provenance=false", "--output=type=cacheonly"]
    subprocess.run([*build, str(context)], env=project.engine.environment, check=True, capture_output=True)
    snapshots = ["ctr", f"--address={containerd}", "--namespace=moby", "snapshots"]
    listed = subprocess.run([*snapshots, "list"], check=True, capture_output=True, text=True).stdout
    # Of its columns, key and parent and kind, the second is empty but for layers upon others.
    (last,) = [
        row[0] for row in map(str.split, listed.splitlines()) if row[1:] and row[-1] == "Active" and len(row) == 3
    ]
    subprocess.run([*snapshots, "remove", last], check=True, capture_output=True)
    done = own.repair()
    assert "built without BuildKit's cache, as a part of it was lost" in " ".join(done.output.split())
    assert [argv for argv in done.commands if "--no-cache" in argv and "query-lambda-" in argv[-1]] != []
    assert done.built == {image.name for image in SIX}
