"""Programs of this machine copied into images, because base images cannot be pulled from a hub."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tasks.system import processes

_STATIC = "not a dynamic executable"


def copy_with_libraries(program: str, directory: Path) -> None:
    """Copy a program and the shared libraries that it loads to the same paths below a directory."""
    done = processes.run(["ldd", program])
    assert done.code == 0 or _STATIC in done.output + done.errors, f"{done.command}\n{processes.tail(done)}"
    for name in (program, *re.findall(r"(/\S+) \(0x", done.output)):
        target = directory / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target)
