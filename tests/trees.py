"""A scripts directory like Sleeper's, and what Maven and people do to it. Tests and benches share it.

make      all images of a catalogue; each jar is shaded from a folder of real jars
rebuild   every jar as a clean Maven build leaves it: the same content at another time, in another order
rewrite   one jar, with or without a change of one byte in one class
"""

from __future__ import annotations

import os
import random
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tasks.model import Image

LARGEST_SOURCE = 20_000_000
"""Larger jars are not used as sources: one would be most of an image."""

SIZES = {"athena-lambda": 95, "query-lambda": 110, "bulk-import-runner": 80, "compaction-job-execution": 70}
"""Megabytes of the largest jars at scale 1.0, near a real Sleeper build."""

USUAL_SIZE = 46
"""Megabytes of every other jar at scale 1.0; all twenty come to about 1.1 GB."""


def make(directory: Path, images: Iterable[Image], jars: Path, *, version: str, base: str, scale: float) -> None:
    """Make a scripts directory.

    Args:
        directory: the directory to create; it must not exist.
        images: the images to build from it.
        jars: a directory of real jars, searched recursively.
        version: the version of Sleeper.
        base: the base image of every Dockerfile.
        scale: 1.0 for jars of about 1.1 GB together.
    """
    sources = sorted({path.resolve() for path in jars.rglob("*.jar") if path.stat().st_size < LARGEST_SOURCE})
    if not sources:
        raise FileNotFoundError(f"no jars below {jars}")
    (directory / "jars").mkdir(parents=True)
    (directory / "templates").mkdir()
    (directory / "templates" / "version.txt").write_text(f"{version}\n")
    for image in images:
        folder = directory / "docker" / image.directory
        folder.mkdir(parents=True, exist_ok=True)
        name = image.jar_name(version)
        size = SIZES.get(image.name, USUAL_SIZE) * scale * 1e6
        if name is None:
            shade(folder / f"{image.directory}.jar", sources, size, image.name)
            write_deployment(folder, image.directory, base)
        else:
            shade(directory / "jars" / name, sources, size, image.name)
            write_lambda(folder, base)


def write_deployment(folder: Path, name: str, base: str) -> None:
    """Write a deployment's Dockerfile and its entry point."""
    (folder / "run.sh").write_text(f'#!/bin/sh\nexec java -jar /{name}.jar "$@"\n')
    (folder / "Dockerfile").write_text(
        f'FROM {base}\n\nCOPY {name}.jar /{name}.jar\nCOPY --chmod=755 run.sh /run.sh\nENTRYPOINT ["/run.sh"]\n'
    )


def write_lambda(folder: Path, base: str) -> None:
    """Write the lambdas' Dockerfile and its entry point."""
    (folder / "entrypoint.sh").write_text('#!/bin/sh\nexec java -cp "/function/*" "$@"\n')
    (folder / "Dockerfile").write_text(
        f"FROM {base}\n\nWORKDIR /function\nCOPY lambda.jar ./\n"
        'COPY --chmod=755 entrypoint.sh /\nENTRYPOINT ["/entrypoint.sh"]\n'
    )


def shade(target: Path, sources: list[Path], size: float, seed: str) -> None:
    """Write a jar of about `size` bytes from the entries of real jars, in an order given by `seed`."""
    order = sources[:]
    random.Random(seed).shuffle(order)  # noqa: S311  # Variety, not secrecy.
    taken = {"META-INF/MANIFEST.MF"}
    with zipfile.ZipFile(target, "w") as fat:
        fat.writestr(_now("META-INF/MANIFEST.MF"), f"Manifest-Version: 1.0\r\nImplementation-Title: {seed}\r\n\r\n")
        for source in order:
            with zipfile.ZipFile(source) as jar:
                for entry in jar.infolist():
                    if entry.is_dir() or entry.filename in taken:
                        continue
                    taken.add(entry.filename)
                    fat.writestr(_now(entry.filename), jar.read(entry), zipfile.ZIP_DEFLATED, compresslevel=1)
                    if fat.start_dir >= size:
                        return


def jars(directory: Path) -> list[Path]:
    """Return every jar of a scripts directory."""
    return sorted([*directory.glob("jars/*.jar"), *directory.glob("docker/*/*.jar")])


def rebuild(directory: Path, *, shuffled: bool = False) -> None:
    """Write every jar again with the same content; `shuffled`: in the order of another file system."""
    for jar in jars(directory):
        rewrite(jar, shuffled=shuffled)


def rewrite(jar: Path, *, edited: bool = False, shuffled: bool = False) -> str | None:
    """Write a jar again; `edited`: with one byte of its first class changed. Return that class's name."""
    fresh = jar.with_suffix(".fresh")
    changed = None
    with zipfile.ZipFile(jar) as old, zipfile.ZipFile(fresh, "w") as new:
        manifest, *rest = old.infolist()
        if shuffled:
            random.Random(jar.name).shuffle(rest)  # noqa: S311  # As above.
        for entry in [manifest, *rest]:
            content = old.read(entry)
            if edited and changed is None and entry.filename.endswith(".class"):
                content, changed = content[:-1] + bytes([(content[-1] + 1) % 256]), entry.filename
            copy = _now(entry.filename)
            copy.external_attr = entry.external_attr
            new.writestr(copy, content, entry.compress_type, compresslevel=1)
    os.replace(fresh, jar)  # noqa: PTH105  # As Maven's own tools do: another inode under the same name.
    return changed


def _now(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, time.localtime()[:6])
