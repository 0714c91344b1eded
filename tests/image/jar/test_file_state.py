from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasks.image.jar import file_state
from tasks.image.jar.cache import Digested, Digests
from tasks.system import processes

TABLE = """\
22 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
40 27 7:0 / /mnt/a\\040-\\040b ro,relatime - squashfs /dev/loop0 ro
41 27 0:52 / /home/me/remote rw - fuse.sshfs me@host: rw
42 27 0:53 / /home rw - nfs4 host:/home rw
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mountinfo"
    monkeypatch.setattr(file_state, "MOUNTS", path)
    return path


def test_a_device_without_change_time_is_known_by_its_file_system(table: Path) -> None:
    table.write_text(TABLE)
    assert file_state.devices_without_change_time() == {os.makedev(0, 20), os.makedev(7, 0), os.makedev(0, 52)}


def test_without_a_table_every_file_system_has_one(table: Path) -> None:
    assert not table.exists()
    assert file_state.devices_without_change_time() == frozenset()


def test_what_the_tests_run_on_has_one(tmp_path: Path) -> None:
    assert tmp_path.stat().st_dev not in file_state.devices_without_change_time()


def test_a_mounted_image_that_differs_in_content_alone_is_read_again(tmp_path: Path) -> None:
    found = []
    for content in (b"one", b"two"):
        with mounted(content, tmp_path) as path:
            found.append(Digests(tmp_path / "digests").of([path])[path])
    first, second = found
    assert isinstance(first, Digested)
    assert isinstance(second, Digested)
    assert first.state == second.state
    assert first.digest != second.digest


@contextmanager
def mounted(content: bytes, directory: Path) -> Iterator[Path]:
    """Mount a squashfs that holds one file, made as reproducible builds make one; skips where that is not possible."""
    if os.geteuid() != 0 or shutil.which("mksquashfs") is None:
        pytest.skip("needs root and mksquashfs")
    source, image, place = directory / "source", directory / "image", directory / "mounted"
    for folder in (source, place):
        folder.mkdir(exist_ok=True)
    (source / "a").write_bytes(content)
    done = processes.run(["mksquashfs", str(source), str(image), "-noappend", "-all-time", "1", "-mkfs-time", "1"])
    assert done.code == 0, done.output
    # The same device each time, as on a machine on which it is the only one.
    device = directory / "device"
    if not device.exists():
        device.symlink_to(processes.run(["losetup", "--find"]).output.strip())
    if processes.run(["mount", "-o", f"ro,loop={device.readlink()}", str(image), str(place)]).code != 0:
        pytest.skip("cannot mount here")
    try:
        yield place / "a"
    finally:
        processes.run(["umount", str(place)])
