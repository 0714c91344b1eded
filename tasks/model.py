"""What the graph is about: images, the builder, and the catalogue that describes them. No I/O and no doit here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

VERSION_PLACEHOLDER = "<version>"
"""Stands for Sleeper's version in a jar's file name in the catalogue."""

BUILT, RETAGGED, LOADED, CURRENT = "built", "retagged", "loaded", "current"
"""What can become of an image: pushed, tagged, built into the local engine, up to date."""


class Kind(Enum):
    """The table of Sleeper's document that lists an image: deployment images or lambda images."""

    DEPLOYMENT = "deployment"
    LAMBDA = "lambda"


@dataclass(frozen=True)
class Image:
    """One image of the catalogue.

    Attributes:
        name: the image's name, and the last part of its repository's (`<INSTANCE_ID>/<name>`).
        kind: deployment or lambda.
        directory: the build directory's name below `SCRIPTS_DIR/docker`.
        jar: a lambda's file name below `SCRIPTS_DIR/jars`, which contains `<version>`; None for a deployment.
        stacks: the optional stacks that need it, in Sleeper's spelling; empty if it is always deployed.
        always_docker: whether a lambda is deployed from an image even if other lambdas are deployed from jars.
        platforms: the platforms of a multi-platform image; empty for an image of the one PLATFORM.
        build_args: names and values for `--build-arg`.
        attestations: whether BuildKit adds provenance and an SBOM. Lambda refuses images with attestations.
        revision: any text; a change of it rebuilds the image everywhere.
    """

    name: str
    kind: Kind
    directory: str
    jar: str | None = None
    stacks: tuple[str, ...] = ()
    always_docker: bool = False
    platforms: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str], ...] = ()
    attestations: bool = False
    revision: str = ""

    @property
    def multiplatform(self) -> bool:
        """Whether the image is an index of several platforms."""
        return bool(self.platforms)

    def jar_name(self, version: str) -> str | None:
        """Return the jar's file name for `version` of Sleeper, or None for a deployment."""
        return None if self.jar is None else self.jar.replace(VERSION_PLACEHOLDER, version)


@dataclass(frozen=True)
class BuilderNode:
    """One node of a builder that has several.

    Attributes:
        endpoint: the context or address for `docker buildx create --append`; empty on Kubernetes.
        platforms: what this node builds for; empty lets BuildKit decide.
        options: `--driver-opt` names and values, in addition to the builder's.
        name: its name for buildx (`--node`); empty lets buildx choose.
    """

    endpoint: str
    platforms: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Builder:
    """The buildx builder that the catalogue describes.

    Attributes:
        name: its name for `docker buildx`.
        driver: `docker-container`, `kubernetes`, `remote` or `docker`.
        options: `--driver-opt` names and values.
        platforms: what it must be able to build for.
        endpoint: the context or address for `docker buildx create`; empty for the current context.
        config: a buildkitd configuration file, or None.
        nodes: its nodes, if there are several; empty for the one at `endpoint`.
        as_is: whether only its name was given: an existing builder of that name is then used as it is.
    """

    name: str
    driver: str = "docker-container"
    options: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = ()
    endpoint: str = ""
    config: Path | None = None
    nodes: tuple[BuilderNode, ...] = ()
    as_is: bool = False

    @property
    def in_engine(self) -> bool:
        """Whether BuildKit runs in a Docker engine; `remote` and `kubernetes` need none."""
        return self.driver in {"docker", "docker-container"}


@dataclass(frozen=True)
class Catalogue:
    """The content of a catalogue file.

    Attributes:
        path: the file.
        images: in the order of the file; their names are unique.
        builder: the builder the file describes.
        stacks: every optional stack that an image may name, spelled as in Sleeper.
        bases: locked base images, reference to digest (`sha256:…`), from `<catalogue>.lock`.
    """

    path: Path
    images: tuple[Image, ...]
    builder: Builder
    stacks: tuple[str, ...]
    bases: Mapping[str, str] = field(default_factory=dict)

    def image(self, name: str) -> Image:
        """Return the image with this name; KeyError if it does not exist."""
        for image in self.images:
            if image.name == name:
                return image
        raise KeyError(name)
