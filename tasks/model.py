"""The things the graph is about: images, the builder, the catalogue that describes them. No I/O and no doit here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

VERSION_PLACEHOLDER = "<version>"
"""Where a jar's file name in the catalogue holds the version of Sleeper."""

BUILT, RETAGGED, LOADED, CURRENT = "built", "retagged", "loaded", "current"
"""What can become of an image: pushed, tagged, built into the local engine, up to date."""


class Kind(Enum):
    """Which of the document's two tables an image stands in."""

    DEPLOYMENT = "deployment"
    LAMBDA = "lambda"


@dataclass(frozen=True)
class Image:
    """One image of the catalogue.

    Attributes:
        name: the image's name, and the last part of its repository's (`<INSTANCE_ID>/<name>`).
        kind: deployment or lambda.
        directory: the build directory's name below `SCRIPTS_DIR/docker`.
        jar: for a lambda, its file name below `SCRIPTS_DIR/jars` with `<version>` in it; None for a deployment.
        stacks: the optional stacks that need it, spelled as in Sleeper; empty when it is always deployed.
        always_docker: whether a lambda is deployed from an image even where the others are deployed from jars.
        platforms: the platforms of a multi-platform image; empty for an image of the one PLATFORM.
        build_args: names and values for `--build-arg`.
        attestations: whether BuildKit adds provenance and an SBOM. Lambda refuses images that have them.
        revision: any text; another one rebuilds the image everywhere.
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
    """One machine of a builder that has several.

    Attributes:
        endpoint: the context or address that `docker buildx create --append` takes; empty on Kubernetes.
        platforms: what this machine builds for; empty leaves it to BuildKit.
        options: `--driver-opt` names and values, in addition to the builder's.
        name: its name for buildx (`--node`), or empty for one that buildx chooses.
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
        endpoint: the context or address that `docker buildx create` takes, or empty for the current one.
        config: a buildkitd configuration file, or None.
        nodes: its machines where there are several; empty for the one of `endpoint`.
        as_is: whether a person said no more than its name, so that one of that name may be as it likes.
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
    """Everything a catalogue file says.

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
        """Return the image called `name`; KeyError where there is none."""
        for image in self.images:
            if image.name == name:
                return image
        raise KeyError(name)
