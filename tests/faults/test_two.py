"""Two runs at once: in one checkout, and in two against one registry."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.layout import Sandbox
from tests.faults import proxy
from tests.faults.place import Place, second_checkout
from tests.faults.proxy import Fault, Proxy

pytestmark = pytest.mark.integration


@pytest.fixture
def other(sandbox: Sandbox) -> Iterator[Proxy]:
    """A second proxy to the registry."""
    found = Proxy(sandbox.docker_registry)
    yield found
    found.close()


def test_of_two_runs_in_one_checkout_one_is_told_who_the_other_is(there: Place) -> None:
    runs = [there.project.start("push_all") for _ in range(2)]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 3], outputs
    assert any("is held by process" in output for output in outputs)
    there.truth.check(complete=True)


def test_two_runs_in_one_checkout_that_wait_both_succeed(there: Place) -> None:
    runs = [there.project.start("push_all", "wait=300") for _ in range(2)]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert any(f"{len(there.truth.images)} current" in output for output in outputs), outputs
    there.truth.check(complete=True)


def test_two_checkouts_at_once_end_with_one_image_of_each(there: Place, other: Proxy, tmp_path: Path) -> None:
    second = second_checkout(there, tmp_path / "second", other)
    runs = [there.project.start("push_all"), second.start("push_all")]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    there.truth.check(complete=True)
    assert there.truth.settled()
    assert there.project.push_all().counts == (0, 0)
    assert second.push_all().counts == (0, 0)


def test_two_who_put_their_own_image_at_the_same_moment_settle_on_one(
    there: Place, other: Proxy, tmp_path: Path
) -> None:
    """Both find no image of these inputs; the second to put its own is the first to put the version tag."""
    first_claimed, second_ended = threading.Event(), threading.Event()

    def claimed(handler: proxy.Handler, forward: proxy.Forward) -> proxy.Answer | None:
        first_claimed.set()
        return proxy.hold(second_ended)(handler, forward)

    second = second_checkout(there, tmp_path / "second", other)
    there.script(Fault("claimed", claimed, "ours: PUT version tag", "ingest"))
    other.script(Fault("waits", proxy.hold(first_claimed), "ours: PUT inputs tag", "ingest"))
    runs = [there.project.start("push_all", "images=ingest"), second.start("push_all", "images=ingest")]
    outputs = [runs[1].communicate(timeout=300)[0]]
    second_ended.set()
    outputs.append(runs[0].communicate(timeout=300)[0])
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert there.met() == 1
    tags = there.project.tags()["ingest"]
    assert len({digest for tag, (digest, _) in tags.items() if not tag.startswith(("building", "sha256-"))}) == 1
    assert there.project.push_all("images=ingest").counts == (0, 0)


def test_two_checkouts_with_different_trees_leave_each_tag_on_one_of_them(
    there: Place, other: Proxy, tmp_path: Path
) -> None:
    second = second_checkout(there, tmp_path / "second", other)
    there.truth.edit()  # In the first one only: the second has what was there before.
    runs = [there.project.start("push_all"), second.start("push_all")]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    there.truth.check()
    assert {name: len(tags) for name, tags in there.truth.tagged().items()} == {
        image.name: 2 for image in there.truth.images
    }
    again = there.repair()
    assert again.built == set()
