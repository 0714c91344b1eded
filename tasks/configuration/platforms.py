"""Platforms as BuildKit names them: `os/architecture[/variant]`, in the one spelling that ends up in a manifest.

containerd reads several spellings of one platform (github.com/containerd/platforms, `database.go`) and writes another
one than it was given. Only the written one is taken here, so that what is asked for can be compared with what is there.
"""

from __future__ import annotations

import os
import re

from tasks.configuration.suggest import did_you_mean

COMMON = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/386", "linux/ppc64le", "linux/riscv64", "linux/s390x")
"""What a mistyped platform is compared with."""

# BuildKit builds for whatever it is told, so an image for a mistyped machine would be pushed and run nowhere.
_SYSTEMS = {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "wasi", "wasip1"}
# Those of Go (`go tool dist list`), in which engines are written.
_ARCHITECTURES = {
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
}  # fmt: skip

_PATTERN = re.compile(r"(?P<os>[a-z][a-z0-9]*)/(?P<architecture>[a-z0-9][a-z0-9_-]*)(?:/(?P<variant>v[0-9]+))?")

_WRITTEN = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "amd64/v1": "amd64",
    "aarch64": "arm64",
    "arm64/v8": "arm64",
    "arm": "arm/v7",
    "armhf": "arm/v7",
    "armel": "arm/v6",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
}

_MACHINES = {**_WRITTEN, "armv6l": "arm/v6", "armv7l": "arm/v7", "loongarch64": "loong64"}


def fault(text: str) -> str | None:
    """Return why `text` is no platform, as the end of a sentence that begins with it, or None where it is one."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        return f"is no platform of the form os/architecture[/variant]{did_you_mean(text, COMMON)}"
    system, _, machine = text.partition("/")
    if machine in _WRITTEN:
        return f"is written '{system}/{_WRITTEN[machine]}' in an image"
    if system not in _SYSTEMS or match["architecture"] not in _ARCHITECTURES:
        return f"is no platform that there is{did_you_mean(text, COMMON)}"
    return None


def written(system: str, architecture: str, variant: str = "") -> str:
    """Return a platform's one spelling, from what a manifest or an image's config says of it."""
    machine = f"{architecture}/{variant}" if variant else architecture
    return f"{system}/{_WRITTEN.get(machine, machine)}"


def native() -> str:
    """Return the platform of a Linux container that runs on this machine's own processor."""
    machine = os.uname().machine.lower()
    return f"linux/{_MACHINES.get(machine, machine)}"
