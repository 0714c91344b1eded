"""Whether a registry's tags tell the truth, read from its disk: a tag, its manifests, their blobs, the files in them.

What a tag of an image may be on: what was in the tree at a time when a run could have built it. The content of the
jar tells the trees apart; each test writes jars that nobody wrote before.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.sample import sample_jar
from tasks.configuration import catalogue
from tasks.model import Image, Kind
from tests.integration.project import SLEEPER, Project

IMAGES = catalogue.load(SLEEPER).images
_INDEX = "index"


@dataclass
class Truth:
    """What the images of a project may be.

    Attributes:
        project: the project.
        images: those of its images that it pushes.
        trees: by image, the contents that its jar has had.
    """

    project: Project
    images: tuple[Image, ...] = IMAGES
    trees: dict[str, list[bytes]] = field(default_factory=dict)

    def edit(self, images: Iterable[Image] | None = None) -> None:
        """Give the jars of these images (None: of all) a content that no jar had before."""
        for image in self.images if images is None else images:
            content = sample_jar(uuid.uuid4().hex)
            jar(self.project, image).write_bytes(content)
            self.trees.setdefault(image.name, []).append(content)

    def check(self, *, complete: bool = False) -> None:
        """Check every tag of ours; with `complete`, that each version tag is on what the tree holds now.

        Raises:
            AssertionError: a tag is on something else.
        """
        for image in self.images:
            tags = self._tags(image)
            contents = {tag: self._content(image, digest) for tag, digest in tags.items()}
            for tag, content in contents.items():
                assert content in self.trees[image.name], f"{image.name}:{tag} is on what was never in the tree"
            inputs = {tag: content for tag, content in contents.items() if tag.startswith("inputs-")}
            assert len(set(inputs.values())) == len(inputs), f"{image.name}: two inputs tags are on one content"
            if self.project.version in tags:
                digests = [digest for tag, digest in tags.items() if tag in inputs]
                assert tags[self.project.version] in digests, (
                    f"{image.name}: the version tag is on no image of an input"
                )
            if complete:
                assert contents.get(self.project.version) == self.trees[image.name][-1], f"{image.name} is not right"

    def tagged(self) -> dict[str, set[str]]:
        """Return the names of the inputs tags of each image."""
        return {image.name: {tag for tag in self._tags(image) if tag.startswith("inputs-")} for image in self.images}

    def settled(self) -> bool:
        """Return whether each version tag is on the digest of an inputs tag that is on the tree's content of now."""
        for image in self.images:
            tags = self._tags(image)
            current = [
                digest
                for tag, digest in tags.items()
                if tag.startswith("inputs-") and self._content(image, digest) == self.trees[image.name][-1]
            ]
            if [tags.get(self.project.version)] != current:
                return False
        return True

    def _tags(self, image: Image) -> dict[str, str]:
        folder = self.project.repositories / image.name / "_manifests" / "tags"
        found = {link.parents[1].name: link.read_text() for link in folder.glob("*/current/link")}
        return {
            tag: digest for tag, digest in found.items() if tag == self.project.version or tag.startswith("inputs-")
        }

    def _content(self, image: Image, digest: str) -> bytes:
        """Return the jar in an image, whatever platforms it is for, after a look at everything else about it."""
        top = json.loads(self._blob(digest))
        many = _INDEX in top["mediaType"] or "list" in top["mediaType"]
        assert many == image.multiplatform, f"{image.name}: {top['mediaType']}"
        assert not (many and image.kind is Kind.LAMBDA)
        found = [json.loads(self._blob(child["digest"])) for child in top["manifests"]] if many else [top]
        contents = {self._platform(manifest): self._files(manifest) for manifest in found}
        assert set(contents) == ({"amd64", "arm64"} if many else {"amd64"})
        (files,) = {json.dumps({path: found.hex() for path, found in one.items()}) for one in contents.values()}
        ((path, content),) = json.loads(files).items()
        assert path == ("function/lambda.jar" if image.jar else f"{image.directory}.jar")
        return bytes.fromhex(content)

    def _platform(self, manifest: dict[str, Any]) -> str:
        return str(json.loads(self._blob(manifest["config"]["digest"]))["architecture"])

    def _files(self, manifest: dict[str, Any]) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(self._blob(layer["digest"]))) as tar:
                for member in tar:
                    content = tar.extractfile(member)
                    if content is not None:
                        files[member.name] = content.read()
        return files

    def _blob(self, digest: str) -> bytes:
        name = digest.removeprefix("sha256:")
        disk = self.project.sandbox.registry_disk / "docker" / "registry" / "v2" / "blobs" / "sha256"
        content = (disk / name[:2] / name / "data").read_bytes()
        assert hashlib.sha256(content).hexdigest() == name
        return content


def jar(project: Project, image: Image) -> Path:
    """Return where an image's jar is in a project."""
    name = image.jar_name(project.version)
    if name is None:
        return project.scripts / "docker" / image.directory / f"{image.directory}.jar"
    return project.scripts / "jars" / name
