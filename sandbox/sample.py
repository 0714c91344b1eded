"""A sample of Sleeper's scripts directory: all images of a catalogue, `FROM scratch`, with small jars.

    templates/version.txt
    jars/<lambda jar>              one for each lambda
    docker/<deployment>/           Dockerfile, <deployment>.jar
    docker/lambda/                 Dockerfile; the lambda's jar is copied to lambda.jar before a build

Existing files are kept, so people can edit them and see what happens; missing files are created. The same image has the
same bytes on every machine.
"""

from __future__ import annotations

import functools
import hashlib
import io
import random
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tasks.model import Image

_TIME = (2024, 1, 1, 0, 0, 0)
_ACC_PUBLIC_SUPER = 0x0021
_JAVA_17 = 61
_UTF8, _CLASS, _STRING = 1, 7, 8


def make(directory: Path, images: Iterable[Image], version: str) -> None:
    """Create the missing files of a scripts directory.

    Args:
        directory: the scripts directory; it may not exist.
        images: the images that are to be built from it.
        version: the version in templates/version.txt and in the jars' names.
    """
    _write(directory / "templates" / "version.txt", f"{version}\n".encode)
    for image in images:
        folder = directory / "docker" / image.directory
        lambda_jar = image.jar_name(version)
        if lambda_jar is None:
            jar, dockerfile = folder / f"{image.directory}.jar", deployment_dockerfile(image.directory)
        else:
            jar, dockerfile = directory / "jars" / lambda_jar, lambda_dockerfile()
        _write(jar, functools.partial(sample_jar, image.name))
        _write(folder / "Dockerfile", dockerfile.encode)


def deployment_dockerfile(directory: str) -> str:
    """Return the Dockerfile of a deployment."""
    return f"FROM scratch\n\nCOPY {directory}.jar /{directory}.jar\n"


def lambda_dockerfile() -> str:
    """Return the Dockerfile that all lambdas share."""
    return "FROM scratch\n\nWORKDIR /function\nCOPY lambda.jar ./\n"


def sample_jar(name: str) -> bytes:
    """Return a jar of a few dozen classes, which follow from `name`."""
    chance = random.Random(name)  # noqa: S311  # Variety, not secrecy.
    package = "sample/" + "".join(part for part in name if part.isalnum())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as jar:
        _add(jar, "META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nImplementation-Title: {name}\r\n\r\n".encode())
        for number in range(chance.randint(20, 60)):
            own = f"{package}/Class{number}"
            _add(jar, f"{own}.class", class_file(own, chance.randbytes(chance.randint(40, 1200)).hex()))
        _add(jar, f"{package}/build.properties", f"digest={hashlib.sha256(name.encode()).hexdigest()}\n".encode())
    return buffer.getvalue()


def class_file(name: str, text: str) -> bytes:
    """Return a Java class without members, whose constant pool holds `text` (JVM specification, chapter 4).

    Args:
        name: its binary name, with slashes.
        text: an ASCII string of at most 65,535 characters.
    """
    pool = b"".join(
        [
            struct.pack(">BH", _CLASS, 2),
            _utf8(name),
            struct.pack(">BH", _CLASS, 4),
            _utf8("java/lang/Object"),
            struct.pack(">BH", _STRING, 6),
            _utf8(text),
        ]
    )
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, _JAVA_17, 7)
    return head + pool + struct.pack(">HHHHHHH", _ACC_PUBLIC_SUPER, 1, 3, 0, 0, 0, 0)


def _utf8(text: str) -> bytes:
    content = text.encode("ascii")
    return struct.pack(">BH", _UTF8, len(content)) + content


def _add(jar: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    jar.writestr(entry, content)


def _write(path: Path, content: Callable[[], bytes]) -> None:
    """Write a file atomically, unless it exists."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content())
    partial.replace(path)
