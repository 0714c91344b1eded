"""Whether a registry holds all of an image: every manifest below its digest, every config and every layer.

    digests ─▶ manifests ─▶ an index's manifests, attestations too ─▶ each config and layer, by HEAD

Each arrow is one batch of questions, asked at once. No layer is read, so one whose bytes are damaged is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import Manifest
from tasks.registry.parts import Parts
from tasks.registry.presence import WORKERS
from tasks.registry.proof import MOST_CHILDREN
from tasks.system.parallel import each

Place = tuple[Repository, Digest]
"""Where a manifest is."""


@dataclass(frozen=True)
class Lost:
    """What a registry lacks of one image.

    Attributes:
        digests: of the manifests, configs and layers that are not there.
        fault: why that could not be found out; None where it was.
    """

    digests: tuple[Digest, ...] = ()
    fault: RegistryError | None = None


def check(client: Client, wanted: Mapping[str, Place]) -> dict[str, Lost]:
    """Ask for all parts of images.

    Args:
        client: the registry's client.
        wanted: by name, where each image is.

    Returns:
        By name, what is not there.
    """
    places = list(dict.fromkeys(wanted.values()))
    at_once = max(1, WORKERS // 8)
    found = dict(zip(places, each(lambda place: _check(client, place), places, at_once=at_once), strict=True))
    return {name: found[place] for name, place in wanted.items()}


def _check(client: Client, place: Place) -> Lost:
    repository, digest = place
    parts = Parts(client, repository)
    try:
        top = parts.manifest(digest)
        if top is None:
            return Lost((digest,))
        below = [child.descriptor.digest for child in top.children[:MOST_CHILDREN]] if top.is_index else []
        children = dict(zip(below, each(parts.manifest, below, at_once=len(below) or 1), strict=True))
        lost = [one for one, child in children.items() if child is None]
        images = _images([top, *children.values()])
        lost += [one.digest for one in parts.missing(part for one in images for part in (one.config, *one.layers))]
    except RegistryError as error:
        return Lost(fault=error)
    return Lost(tuple(lost))


def _images(manifests: Iterable[Manifest | None]) -> list[Manifest]:
    return [one for one in manifests if one is not None and not one.is_index]
