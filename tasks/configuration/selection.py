"""Which images are selected: by the optional stacks of an instance, by how lambdas are deployed, by names and globs.

The rules of stacks and deploy type are Sleeper's own, for the images that it uploads when it deploys an instance: an
image is selected if it needs no optional stack, or any stack that the instance has. If lambdas are deployed from jars,
only the lambdas that are always deployed from images are selected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from tasks.configuration.faults import did_you_mean, did_you_mean_pattern
from tasks.configuration.settings import Settings
from tasks.errors import SelectionError
from tasks.model import Catalogue, Image, Kind
from tasks.system.text import quoted


def select(catalogue: Catalogue, settings: Settings) -> tuple[Image, ...]:
    """Return the images that STACKS, LAMBDA_DEPLOY_TYPE and IMAGES select, in the catalogue's order.

    Raises:
        SelectionError: a stack or a name is not in the catalogue, a glob matches no image, or no image of IMAGES is
            selected by STACKS and LAMBDA_DEPLOY_TYPE.
    """
    faults: list[str] = []
    images = catalogue.images
    if settings.stacks is not None:
        stacks = _known_stacks(settings.stacks, catalogue.stacks, settings.origins["STACKS"], faults)
        images = tuple(image for image in images if needed(image, stacks))
    if settings.lambda_deploy_type == "jar":
        images = tuple(image for image in images if image.kind is Kind.DEPLOYMENT or image.always_docker)
    if settings.images is not None:
        names = [image.name for image in catalogue.images]
        chosen = _matching(settings.images, names, settings.origins["IMAGES"], faults)
        images = _both(images, chosen, settings, faults)
    if faults:
        raise SelectionError("\n".join(faults), f"see the images and stacks in {catalogue.path}")
    return images


def needed(image: Image, stacks: Iterable[str]) -> bool:
    """Whether an instance with these optional stacks uses the image."""
    return not image.stacks or not {stack.lower() for stack in image.stacks}.isdisjoint(map(str.lower, stacks))


def _known_stacks(given: Sequence[str], known: Sequence[str], origin: str, faults: list[str]) -> tuple[str, ...]:
    spelled = {stack.lower(): stack for stack in known}
    faults.extend(
        f"STACKS ({origin}): unknown stack {quoted(stack)}{did_you_mean(stack, known)}"
        for stack in given
        if stack.lower() not in spelled
    )
    return tuple(spelled[stack.lower()] for stack in given if stack.lower() in spelled)


def _matching(patterns: Sequence[str], names: Sequence[str], origin: str, faults: list[str]) -> set[str]:
    chosen: set[str] = set()
    for pattern in patterns:
        matches = {name for name in names if fnmatchcase(name, pattern)}
        if not matches:
            glob = any(sign in pattern for sign in "*?[")
            verb = "matches" if glob else "is named"
            suggestion = did_you_mean(pattern.strip("*?"), names)
            suggestion = suggestion or (did_you_mean_pattern(pattern, names) if glob else "")
            faults.append(f"IMAGES ({origin}): no image {verb} {quoted(pattern)}{suggestion}")
        chosen |= matches
    return chosen


def _both(images: tuple[Image, ...], chosen: set[str], settings: Settings, faults: list[str]) -> tuple[Image, ...]:
    """Return the images that are also chosen by name; a run with names that does nothing would look like a success."""
    both = tuple(image for image in images if image.name in chosen)
    if chosen and not both and not faults:
        faults.append(
            f"IMAGES ({settings.origins['IMAGES']}): none of {', '.join(sorted(chosen))} is selected by "
            f"STACKS ({settings.origins['STACKS']}) and LAMBDA_DEPLOY_TYPE ({settings.origins['LAMBDA_DEPLOY_TYPE']})"
        )
    return both
