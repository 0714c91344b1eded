"""Looks for secrets in every process's command and environment, and in files, as fast as it can, until its input ends.

It is a process of its own, which gets what to look for on standard input, one hexadecimal needle a line, then an empty
line, then directories, then an empty line; it says "ready", and at the end of its input what it found, as JSON.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

_PROC = "/proc"
_FILES_EVERY = 10


def needles(secret: str) -> list[bytes]:
    """Return what a secret looks like: as it is, and within base64 at each of the three places it can begin at."""
    found = [secret.encode()]
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + secret.encode()).rstrip(b"=")
        # The characters that also hold bits of what stands before and after are left out.
        found.append(whole[-(-offset * 4 // 3) : len(whole) - 1])
    return found


class Watcher:
    """Watches while its block runs.

    Args:
        secrets: what must be nowhere.
        directories: whose files are read, too.
    """

    def __init__(self, secrets: Sequence[str], directories: Sequence[Path]) -> None:
        self._input = [needle.hex() for secret in secrets for needle in needles(secret)]
        self._input += ["", *map(str, directories), ""]
        self.seen: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.watcher"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n".join(self._input) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *fault: object) -> None:
        output = self._process.communicate(timeout=60)[0]
        self.seen = json.loads(output)


def in_files(directories: Sequence[Path], wanted: Sequence[bytes]) -> list[str]:
    """Return the files that hold a needle."""
    found = []
    for directory in directories:
        for parent, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(parent, name)  # noqa: PTH118  # Fast.
                if os.path.islink(path) or not os.path.isfile(path):  # noqa: PTH113, PTH114  # As above.
                    continue
                with contextlib.suppress(OSError):  # It is gone again.
                    content = Path(path).read_bytes()
                    if any(needle in content for needle in wanted):
                        found.append(path)
    return found


def _lines() -> Iterator[str]:
    while line := sys.stdin.readline().rstrip("\n"):
        yield line


def _processes(wanted: Sequence[bytes], names: set[str], found: set[str]) -> int:
    count = 0
    for pid in os.listdir(_PROC):  # noqa: PTH208  # As above.
        if not pid.isdigit():
            continue
        for part in ("cmdline", "environ"):
            try:
                with open(f"{_PROC}/{pid}/{part}", "rb") as file:  # noqa: PTH123  # As above.
                    content = file.read()
            except OSError:
                continue
            count += 1
            if part == "cmdline":
                name = content.partition(b"\0")[0].decode(errors="replace")
                names.add(" ".join([os.path.basename(name), *_verb(content)]))  # noqa: PTH119  # As above.
            if any(needle in content for needle in wanted):
                found.add(f"{part} of {names and name}")
    return count


def _verb(command: bytes) -> list[str]:
    """Return what tells a script from its interpreter."""
    words = [word.decode(errors="replace") for word in command.split(b"\0")[1:]]
    return [os.path.basename(word) for word in words if "credential" in word or word.endswith("helper.py")][:1]  # noqa: PTH119  # As above.


def main() -> None:
    """Watch until the input ends."""
    wanted = [bytes.fromhex(line) for line in _lines()]
    directories = [Path(line) for line in _lines()]
    print("ready", flush=True)  # noqa: T201  # Its output is its result.
    found: set[str] = set()
    files: set[str] = set()
    names: set[str] = set()
    looks = read = 0
    while looks == 0 or not select.select([sys.stdin], [], [], 0)[0]:
        read += _processes(wanted, names, found)
        if looks % _FILES_EVERY == 0:
            files |= set(in_files(directories, wanted))
        looks += 1
    result = {"found": sorted(found), "files": sorted(files), "names": sorted(names), "looks": looks, "read": read}
    print(json.dumps(result))  # noqa: T201  # As above.


if __name__ == "__main__":
    main()
