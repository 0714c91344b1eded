"""What has to be done about an image: one value, from its fingerprint and from what the registry holds. Pure.

    the inputs cannot be read ──────────────────────▶ Blocked
    the registry does not answer ───────────────────▶ Unknown
    no image under inputs-<fingerprint>, or forced ─▶ Build     build and push
    an image, but the version tag is elsewhere ─────▶ Retag     PUT the same bytes under the version tag
      … and that tag is immutable ──────────────────▶ Blocked
    both tags on one digest ────────────────────────▶ Current

A tag whose manifest has the wrong kind (an index where Lambda needs an image) counts as no tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tasks.errors import RegistryError, SleeperImagesError
from tasks.reference import Digest
from tasks.registry.model import Answer, Descriptor


@dataclass(frozen=True)
class Current:
    """Both tags point to one digest: nothing to do."""

    digest: Digest


@dataclass(frozen=True)
class Retag:
    """The registry has the image; only the version tag has to move to it."""

    digest: Digest
    reason: str


@dataclass(frozen=True)
class Build:
    """The image has to be built and pushed."""

    reason: str


@dataclass(frozen=True)
class Blocked:
    """The image must not or cannot be pushed, whatever the registry holds."""

    error: SleeperImagesError


@dataclass(frozen=True)
class Unknown:
    """The registry did not answer."""

    error: SleeperImagesError


Decision = Current | Retag | Build | Blocked | Unknown

_STATES: Mapping[type, str] = {
    Current: "current", Retag: "retag", Build: "build", Blocked: "blocked", Unknown: "unknown",
}  # fmt: skip

STATES = tuple(_STATES.values())
"""What `state` returns."""

TO_DO = frozenset({"retag", "build"})
"""The states of images that a run works on."""

FAULTS = frozenset({"blocked", "unknown"})
"""The states of images that a run fails on."""


def decide(
    inputs: Answer,
    version: Answer,
    *,
    version_tag: str,
    fits: Callable[[Descriptor], bool],
    force: bool = False,
) -> Decision:
    """Decide from the registry's answers about an image's two tags.

    Args:
        inputs: the answer about `inputs-<fingerprint>`.
        version: the answer about the version tag.
        version_tag: its name, for the reason.
        fits: whether a manifest has the kind that this image must have.
        force: build even if both tags are there.
    """
    if isinstance(inputs, RegistryError):
        return Unknown(inputs)
    if isinstance(version, RegistryError):
        return Unknown(version)
    if inputs is None or force or not fits(inputs):
        return Build(_why_build(inputs, force=force))
    return _compare(inputs, version, version_tag)


def _why_build(inputs: Descriptor | None, *, force: bool) -> str:
    if force:
        return "forced"
    if inputs is None:
        return "these inputs are not in the registry"
    return f"the registry's image of these inputs has the wrong kind ({inputs.media_type})"


def _compare(inputs: Descriptor, version: Descriptor | None, version_tag: str) -> Decision:
    if version is None:
        return Retag(inputs.digest, f"not yet tagged {version_tag}")
    if version.digest != inputs.digest:
        tags = f"tag {version_tag} points to {version.digest.short}, these inputs are {inputs.digest.short}"
        return Retag(inputs.digest, tags)
    return Current(inputs.digest)


def state(decision: Decision) -> str:
    """Return one word for the decision, one of STATES."""
    return _STATES[type(decision)]


def reason(decision: Decision) -> str:
    """Return why, with the next step if it has one; empty for Current. The caller names the image."""
    match decision:
        case Current():
            return ""
        case Retag(_, why) | Build(why):
            return why
        case Blocked(error) | Unknown(error):
            return error.text
