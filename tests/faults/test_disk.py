"""A disk that fills while a run writes to it: a small file system of the test's own, which needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.place import Place

pytestmark = pytest.mark.integration

SIZE = "96m"
"""The preflight wants 64 MiB beside the contexts."""


@contextmanager
def small_disk(path: Path, options: str = f"size={SIZE}") -> Iterator[None]:
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(path)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode != 0:
        assert os.environ.get("CI") != "true" or os.geteuid() != 0, mounted.stderr
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_disk_that_is_full_while_a_context_is_staged_fails_that_image_alone(there: Place) -> None:
    # Room for the bytes of all, as the preflight sees it, and for the files of one context.
    with small_disk(there.project.state / "contexts", "size=200m,nr_inodes=5"):
        done = there.run("parallel=1", "images=ingest,query-lambda,statestore-committer")
        assert done.code != 0
        assert "No space left on device" in done.output
        assert "free some space" in done.output
    there.repair()


@pytest.mark.parametrize("where", ["state", "state/logs", "t"])
def test_a_disk_that_fills_during_a_run_is_named_and_nothing_wrong_is_tagged(there: Place, where: str) -> None:
    disk = there.project.root / where
    with small_disk(disk):
        there.project.before_each_build(f"[ -e {disk}/filler ] || cat /dev/zero > {disk}/filler 2>/dev/null; true")
        # One image at a time: contexts are still to be staged when the first image is built.
        done = there.run("parallel=1", "images=ingest,query-lambda,statestore-committer")
        assert (disk / "filler").exists()
        assert done.code == 0 or "No space left on device" in done.output, done.output
        there.project.hook.unlink()
        (disk / "filler").unlink()
        there.repair()


def test_a_state_that_cannot_be_written_at_all_is_an_error_with_what_to_do(there: Place) -> None:
    there.project.root.joinpath("home").mkdir(exist_ok=True)
    with small_disk(there.project.state):
        subprocess.run(["sh", "-c", f"cat /dev/zero > {there.project.state}/filler"], check=False, capture_output=True)
        done = there.run()
        assert done.code != 0
        assert done.counts == (0, 0)
        assert "next:" in done.output
        (there.project.state / "filler").unlink()
        there.repair()
