"""What the registry holds, read from its disk: tags, manifests and when they came.

Source: the layout of distribution 2.8 (registry/storage/paths.go). The registry writes; here it is read, but for a
repository that ECR deletes, as no registry API does that.

    repositories/<name>/_manifests/tags/<tag>/current/link
    repositories/<name>/_manifests/revisions/sha256/<hex>/link
    repositories/<name>/_layers/sha256/<hex>/link
    blobs/sha256/<two of hex>/<hex>/data
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Disk:
    """A registry's disk.

    Args:
        root: the registry's root directory.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "docker" / "registry" / "v2"

    def tags(self, name: str) -> dict[str, str]:
        """Return the digests of a repository's tags."""
        links = self._manifests(name).glob("tags/*/current/link")
        found = {link.parts[-3]: _text(link) for link in links}
        return {tag: digest for tag, digest in found.items() if self.has(name, digest)}

    def digest(self, name: str, reference: str) -> str | None:
        """Return the digest of a tag or of a digest; None if the repository has no such manifest."""
        if DIGEST.fullmatch(reference):
            return reference if self.has(name, reference) else None
        if not TAG.fullmatch(reference):
            return None
        found = _text(self._manifests(name) / "tags" / reference / "current" / "link")
        return found if self.has(name, found) else None

    def has(self, name: str, digest: str) -> bool:
        """Whether a repository has a manifest."""
        return bool(DIGEST.fullmatch(digest)) and (self._revision(name, digest) / "link").exists()

    def has_layer(self, name: str, digest: str) -> bool:
        """Whether a repository has a blob."""
        link = self._repository(name) / "_layers" / digest.replace(":", "/") / "link"
        return bool(DIGEST.fullmatch(digest)) and link.exists()

    def manifests(self, name: str) -> dict[str, float]:
        """Return when a repository's manifests were pushed, in seconds since the epoch, by their digests.

        A manifest that is put again, under another tag, was not pushed again: its link is written anew, its directory
        is not.
        """
        links = self._manifests(name).glob("revisions/sha256/*/link")
        return {f"sha256:{link.parts[-2]}": link.parent.stat().st_mtime for link in links}

    def manifest(self, digest: str) -> bytes:
        """Return a manifest's bytes; empty if it was deleted."""
        with contextlib.suppress(OSError):
            return (self._root / "blobs" / "sha256" / digest[7:9] / digest[7:] / "data").read_bytes()
        return b""

    def parsed(self, digest: str) -> dict[str, Any]:
        """Return a parsed manifest; empty if it was deleted."""
        return parse(self.manifest(digest))

    def delete_tag(self, name: str, tag: str) -> None:
        """Remove a tag; the image stays."""
        shutil.rmtree(self._manifests(name) / "tags" / tag, ignore_errors=True)

    def delete(self, name: str, digest: str) -> None:
        """Remove an image and its tags."""
        for tag, there in self.tags(name).items():
            if there == digest:
                self.delete_tag(name, tag)
        shutil.rmtree(self._revision(name, digest), ignore_errors=True)

    def forget(self, name: str) -> None:
        """Remove a repository; blobs stay on the disk."""
        shutil.rmtree(self._repository(name), ignore_errors=True)

    def _repository(self, name: str) -> Path:
        return self._root / "repositories" / name

    def _manifests(self, name: str) -> Path:
        return self._repository(name) / "_manifests"

    def _revision(self, name: str, digest: str) -> Path:
        return self._manifests(name) / "revisions" / digest.replace(":", "/")


def parse(content: bytes) -> dict[str, Any]:
    """Return a manifest's fields; empty if the bytes are not a manifest."""
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def sha256(content: bytes) -> str:
    """Return a digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def children(manifest: dict[str, Any]) -> list[str]:
    """Return the digests of the manifests that an index names."""
    return [str(entry.get("digest")) for entry in manifest.get("manifests") or () if isinstance(entry, dict)]


def blobs(manifest: dict[str, Any]) -> list[str]:
    """Return the digests of the blobs that an image names: its configuration and its layers."""
    entries = [manifest.get("config"), *(manifest.get("layers") or ())]
    return [str(entry.get("digest")) for entry in entries if isinstance(entry, dict)]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
