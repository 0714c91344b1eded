"""The digests to deploy, and what is wrong with some, for people. docs/status-and-digests.md shows them."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.digests_file import DigestsFile
from tasks.system.text import wrapped
from tasks.views.words import short_platforms


def as_text(found: DigestsFile) -> str:
    """Return the digests for people, and the line to paste."""
    cells = [("image", "tag", "digest", "platforms", "fingerprint")]
    cells += [
        (name, entry.tag, entry.digest.short, short_platforms(entry.platforms), entry.fingerprint[:12])
        for name, entry in sorted(found.images.items())
    ]
    tags = {line[1] for line in cells[1:]}
    rows = [(name, digest, platforms, fingerprint) for name, _, digest, platforms, fingerprint in cells]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = f"{found.prefix}  version {', '.join(sorted(tags)) or '-'}"
    return "\n".join([head, "", *lines, "", "instance.properties:", found.property_line])


def faults_as_text(faults: Mapping[str, str]) -> str:
    """Return what is wrong with each image, a text that several share once."""
    together: dict[str, list[str]] = {}
    for name, text in faults.items():
        together.setdefault(text, []).append(name)
    return "".join(
        f"{line}\n"
        for text, names in together.items()
        for line in (*wrapped(f"{', '.join(names)}:", ""), *wrapped(text, "  "))
    )
