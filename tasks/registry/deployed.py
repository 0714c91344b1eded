"""What images are, as the registry holds them: platforms, size, and since when.

    digests ─▶ manifests ─▶ an index's images ─▶ configs      each arrow is one batch of questions, asked at once
    digests ─▶ when each was pushed, where the registry says that

Nothing is proved here (`proof` does that): it tells people what there is, whoever pushed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import Child, Manifest, parse_object, weight
from tasks.registry.presence import WORKERS
from tasks.registry.proof import CONFIG_LIMIT, MOST_CHILDREN, attests, platform
from tasks.system.parallel import Pool

Place = tuple[Repository, Digest]
"""Where a manifest or a blob is."""

PushedAt = Callable[[Repository, Digest], datetime | None]
"""Says when an image was pushed, or None where that is not known; RegistryError where it may not be asked."""

_NOT_FOUND = 404

_FIRST_YEAR = 1990
"""Builds that want to be reproducible give the first second of 1970, or of 1980 for zip's sake, or of year 1."""

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(frozen=True)
class Moment:
    """When something happened to an image.

    Attributes:
        at: when.
        pushed: whether that is when it was pushed; else when it was built, by its config.
    """

    at: datetime
    pushed: bool


@dataclass(frozen=True)
class Deployed:
    """An image as the registry holds it.

    Attributes:
        digest: what it is called by.
        platforms: what it is for, sorted.
        size: how many bytes the registry holds for it: manifests, configs and layers, each counted once.
        since: when it was pushed, or built; None where neither is said.
        missing: the digests of its manifests and configs that were not there when they were read.
    """

    digest: Digest
    platforms: tuple[str, ...]
    size: int
    since: Moment | None
    missing: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What was found out.

    Attributes:
        images: by name, the image; or why it could not be read; None where it is not there any more.
        fault: why the registry did not say when images were pushed; None where it did, or is none that does.
    """

    images: Mapping[str, Deployed | RegistryError | None]
    fault: RegistryError | None


def read(client: Client, wanted: Mapping[str, Place], pushed_at: PushedAt | None) -> Answers:
    """Read images, all at once.

    Args:
        client: the registry's client.
        wanted: by name, where the image is.
        pushed_at: asks when an image was pushed; None where the registry is none that knows.
    """
    if not wanted:
        return Answers({}, None)
    with Pool(WORKERS) as pool:
        when = (
            {place: pool.submit(_caught, pushed_at, place[0], place[1]) for place in set(wanted.values())}
            if pushed_at
            else {}
        )
        tops = _batch(pool, lambda place: client.manifest(*place), wanted.values())
        places = {place: _images(place[0], top) for place, top in tops.items() if isinstance(top, Manifest)}
        below = [one for place, found in places.items() if found != [place] for one in found]
        images = tops | _batch(pool, lambda place: client.manifest(*place), below)
        configs = _batch(
            pool,
            lambda place: parse_object(client.blobs.read(*place, CONFIG_LIMIT), "config"),
            (place for found in places.values() for image in found for place in _config(image[0], images[image])),
        )
        moments = {place: asked.result() for place, asked in when.items()}
    faults = [one for one in moments.values() if isinstance(one, RegistryError)]
    return Answers(
        {
            name: _describe(
                place,
                tops[place],
                found=places.get(place, []),
                images=images,
                configs=configs,
                moment=moments.get(place),
            )
            for name, place in wanted.items()
        },
        faults[0] if faults else None,
    )


def _describe(
    place: Place,
    top: Manifest | RegistryError | None,
    *,
    found: list[Place],
    images: Mapping[Place, Manifest | RegistryError | None],
    configs: Mapping[Place, Any],
    moment: datetime | RegistryError | None,
) -> Deployed | RegistryError | None:
    if not isinstance(top, Manifest):
        return top
    manifests = [images[one] for one in found]
    asked = {one: configs[one] for image in found for one in _config(image[0], images[image])}
    missing = [one[1] for one in found if images[one] is None]
    missing += [one[1] for one, answer in asked.items() if _is_absent(answer)]
    for fault in (*manifests, *asked.values()):
        if isinstance(fault, RegistryError) and not _is_absent(fault):
            return fault
    read = [answer for answer in asked.values() if not isinstance(answer, RegistryError)]
    try:
        size = weight([top, *(one for one in manifests if isinstance(one, Manifest))])
        platforms = _platforms(top, read)
    except RegistryError as error:  # Something malformed, which is known only when it is looked into.
        return error
    if isinstance(moment, datetime):
        since: Moment | None = Moment(moment.astimezone(UTC), pushed=True)
    else:
        built = max((at for at in map(_created, read) if at is not None), default=None)
        since = None if built is None else Moment(built, pushed=False)
    return Deployed(place[1], platforms, size, since, tuple(missing))


def _is_absent(answer: object) -> bool:
    return isinstance(answer, RegistryError) and answer.status == _NOT_FOUND


def _images(repository: Repository, top: Manifest) -> list[Place]:
    """Return where the images of a manifest are: of an index those that it lists, else itself."""
    if not top.is_index:
        return [(repository, top.digest)]
    try:
        return [(repository, child.descriptor.digest) for child in _listed(top)]
    except RegistryError:
        return []  # _describe meets the same fault and tells it.


def _listed(top: Manifest) -> list[Child]:
    return [child for child in top.children[:MOST_CHILDREN] if not attests(child)]


def _config(repository: Repository, image: Manifest | RegistryError | None) -> list[Place]:
    if not isinstance(image, Manifest) or image.is_index:
        return []
    try:
        return [(repository, image.config.digest)]
    except RegistryError:
        return []  # As above.


def _platforms(top: Manifest, configs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    said = (child.platform for child in _listed(top)) if top.is_index else configs
    return tuple(sorted({platform(one) for one in said}))


def _created(config: Mapping[str, Any]) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(config.get("created")))
        utc = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return utc if utc.year >= _FIRST_YEAR else None


def _batch(pool: Executor, ask: Callable[[Asked], Given], about: Iterable[Asked]) -> dict[Asked, Given | RegistryError]:
    questions = list(dict.fromkeys(about))
    return dict(zip(questions, pool.map(lambda one: _caught(ask, one), questions), strict=True))


def _caught(ask: Callable[..., Given], *about: Any) -> Given | RegistryError:
    try:
        return ask(*about)
    except RegistryError as error:
        return error
