"""What an image is made of, as one value with one hash. Pure: `tasks.image.collect` collects it.

The hash names the tag `inputs-<fingerprint>`, so two machines must come to the same one for the same inputs. It is the
sha256 of a canonical JSON text: keys sorted, no spaces, ASCII, everything in it a string, a boolean, a number or a
list in a stated order.

What is not here on purpose: credentials, the target registry, the version of Sleeper, the clock, modification times,
and modes beyond the executable bit (docs/fingerprint.md gives the reasons).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

SCHEME = 2
"""Counts up whenever the meaning of a fingerprint changes; every image is then rebuilt once."""

JAR_SCHEME = 2
"""Counts up whenever `tasks.image.jar.content` gives the same jar another digest; it is part of each of them."""

INPUTS = "inputs-"
"""How the tags begin that say what an image is made of."""

PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})
"""Build arguments, in either case, that every RUN has without an ARG, and that BuildKit leaves out of its cache keys
("Predefined ARGs" in the Dockerfile reference)."""

MEDIA_TYPES = "oci"
"""Which media types the build is told to write: BuildKit's default changed between releases."""

COMPRESSION = "gzip"
"""How layers are compressed: the one compression that every service that runs Sleeper's images takes."""


@dataclass(frozen=True)
class Item:
    """One entry of a build context.

    Attributes:
        path: relative to the context, with slashes.
        kind: `file`, `directory` or `symlink`.
        executable: whether a file may be executed.
        content: a file's sha256, a jar's meaning, a link's target; empty for a directory.
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
        context: what `COPY . /` would see, sorted by path.
        build_args: names and values, sorted by name.
        platforms: what it is built for, sorted.
        attestations: whether BuildKit adds provenance and an SBOM.
        revision: the catalogue's text that forces a rebuild everywhere.
        bases: each base image and the digest that it is locked to, empty where it is not.
        media_types: `oci`, see MEDIA_TYPES.
        compression: `gzip`, see COMPRESSION.
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
        """Return the text that is hashed."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def fingerprint(self) -> str:
        """Return the sha256 of the canonical text, 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode("ascii")).hexdigest()

    @property
    def unseen(self) -> str:
        """A digest of the inputs that BuildKit's cache keys leave out, 12 hexadecimal digits; empty without any.

        Everything else either is in BuildKit's keys (files, base digests, platforms, declared build arguments), or is
        applied behind the cache, when the image is written (attestations, media types, compression).
        """
        proxies = [(name, value) for name, value in self.build_args if name.lower() in PROXIES]
        if not self.revision and not proxies:
            return ""
        text = json.dumps([self.revision, proxies], separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:12]

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The base images of which only the name counts: neither the lock nor the name itself holds a digest."""
        return tuple(reference for reference, digest in self.bases if not digest and "@" not in reference)


def inputs_tag(fingerprint: str) -> str:
    """Return the tag that an image made of these inputs has, and nothing else ever has."""
    return f"{INPUTS}{fingerprint}"
