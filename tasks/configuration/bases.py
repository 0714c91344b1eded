"""The lock of base images beside a catalogue: a line for each, `<reference> sha256:<digest>`, sorted.

Lines rather than YAML: the changes of two people to different bases merge, and a diff shows which base changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tasks.configuration.faults import Faults, reason, shown
from tasks.errors import CatalogueError
from tasks.system import files
from tasks.system.text import quoted

_HEADER = """\
# The digest that each base image is locked to, by its name as in FROM. Commit this file.
# `base=refresh` writes it. A base image without a line here is not locked: builds use its current digest.
"""

_LARGEST_FILE = 1024 * 1024
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,511}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def read(path: Path) -> dict[str, str]:
    """Return reference to digest; empty if the file does not exist.

    Raises:
        CatalogueError: it cannot be read, or has faults; each is a line `file:line: …`.
    """
    next_step = "correct it, or delete it and run with base=refresh"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as fault:
        raise CatalogueError(f"the lock {shown(path)} cannot be read: {reason(fault)}", next_step) from fault
    faults = Faults(path)
    if len(content) > _LARGEST_FILE:
        faults.add(1, f"larger than {_LARGEST_FILE // 1024} KiB")
        faults.check(next_step)
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode(errors="replace").split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        fault_text = _fault(words, found)
        if fault_text:
            faults.add(number, fault_text)
        else:
            found[words[0]] = words[1]
    faults.check(next_step)
    return found


def write(path: Path, digests: Mapping[str, str]) -> None:
    """Replace the lock atomically; the same digests give the same bytes.

    Raises:
        CatalogueError: a reference or a digest is malformed, or the file cannot be written.
    """
    lines = []
    for reference in sorted(digests):
        if fault_text := _fault([reference, digests[reference]], {}):
            raise CatalogueError(f"the lock {shown(path)} cannot be written: {fault_text}", "correct the FROM line")
        lines.append(f"{reference} {digests[reference]}\n")
    try:
        files.replace(path, _HEADER + "".join(lines))
    except OSError as fault:
        raise CatalogueError(
            f"the lock {shown(path)} cannot be written: {reason(fault)}", "make its directory writable"
        ) from fault


def _fault(words: list[str], found: Mapping[str, str]) -> str | None:
    form = "<reference> sha256:<64 hexadecimal digits>"
    if len(words) != len(("reference", "digest")):
        return f"{quoted(' '.join(words))} must be {form}"
    reference, digest = words
    if not _REFERENCE.fullmatch(reference):
        return f"{quoted(reference)} is not an image reference"
    if not _DIGEST.fullmatch(digest):
        return f"{quoted(digest)} is not a sha256 digest"
    return f"duplicate {quoted(reference)}" if reference in found else None
