"""What an image is made of, as one value with one hash, the fingerprint. Pure; `tasks.image.collect` reads it.

The fingerprint is part of the tag `inputs-<fingerprint>`, so two machines must compute the same for the same inputs. It
is the sha256 of a canonical JSON text: sorted keys, no spaces, ASCII; strings, booleans, numbers, and lists in a stated
order.

Left out on purpose: credentials, the target registry, the version of Sleeper, the clock, modification times, and modes
other than the executable bit (docs/fingerprint.md gives the reasons).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

SCHEME = 2
"""Counts up when the same inputs get another fingerprint; every image is then rebuilt once."""

JAR_SCHEME = 2
"""Counts up when the same jar gets another content digest (`tasks.image.jar.content`); it is part of the digest."""

INPUTS = "inputs-"
"""The prefix of the tags that say what an image is made of."""

PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})
"""Build arguments, in upper or lower case, that every RUN has without an ARG, and that are not in BuildKit's cache keys
("Predefined ARGs" in the Dockerfile reference)."""

MEDIA_TYPES = "oci"
"""The media types of images, which every build sets: BuildKit's default changed between releases."""

COMPRESSION = "gzip"
"""The compression of layers: the only one that all services that run Sleeper's images accept."""


@dataclass(frozen=True)
class Item:
    """One entry of a build context.

    Attributes:
        path: relative to the context, with slashes.
        kind: `file`, `directory` or `symlink`.
        executable: whether a file may be executed.
        content: a file's sha256, a jar's content digest, a link's text; empty for a directory.
    """

    path: str
    kind: str
    executable: bool
    content: str


@dataclass(frozen=True)
class Inputs:
    """Everything that decides what an image is.

    Attributes:
        dockerfile: the sha256 of the Dockerfile's bytes.
        context: what `COPY . /` sees, sorted by path.
        build_args: names and values, sorted by name.
        platforms: what it is built for, sorted.
        attestations: whether BuildKit adds provenance and an SBOM.
        revision: a text of the catalogue; a new one rebuilds the image everywhere.
        bases: each base image and the digest that it is locked to, empty if it is not locked.
        media_types: see MEDIA_TYPES.
        compression: see COMPRESSION.
        scheme: see SCHEME.
    """

    dockerfile: str
    context: tuple[Item, ...]
    build_args: tuple[tuple[str, str], ...]
    platforms: tuple[str, ...]
    attestations: bool
    revision: str
    bases: tuple[tuple[str, str], ...]
    media_types: str = MEDIA_TYPES
    compression: str = COMPRESSION
    scheme: int = SCHEME

    def canonical(self) -> str:
        """Return the canonical JSON text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def fingerprint(self) -> str:
        """Return the sha256 of the canonical text, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode("ascii")).hexdigest()

    @property
    def unseen(self) -> str:
        """A digest of the inputs that are not in BuildKit's cache keys, 12 hexadecimal digits; empty without any.

        Everything else either is in the cache keys (files, base digests, platforms, declared build arguments), or is
        applied after the cache, when the image is written (attestations, media types, compression).
        """
        proxies = [(name, value) for name, value in self.build_args if name.lower() in PROXIES]
        if not self.revision and not proxies:
            return ""
        text = json.dumps([self.revision, proxies], separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The base images without a digest, in the lock or in their name: they count by name only."""
        return tuple(reference for reference, digest in self.bases if not digest and "@" not in reference)


def inputs_tag(fingerprint: str) -> str:
    """Return the tag of an image that is made of these inputs; no other image ever gets it."""
    return f"{INPUTS}{fingerprint}"
