"""push:<image>: the registry has the image under both its tags.

    Current ─▶ nothing
    Retag ───▶ proved ─▶ PUT the same bytes under the version tag
    Build ───▶ built and pushed by digest ─▶ inputs unchanged? ─▶ read back and proved
               ─▶ record of the inputs ─▶ inputs-<fingerprint> ─▶ version tag

Each step takes what the step before it returned: Decided ─▶ Built ─▶ Proved ─▶ Pushed.

We write both tags, last, each by a PUT of the manifest's bytes. A run that is killed between any two steps leaves only
true statements in the registry, and the next run continues from there.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.build import Built, run_build
from tasks.decision import Build, Current, Retag
from tasks.engine import buildx, failure
from tasks.errors import BuildError, RegistryError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import staging
from tasks.model import BUILT, CURRENT, RETAGGED, Image
from tasks.reference import Digest, Repository
from tasks.registry.client import IMMUTABLE
from tasks.registry.model import Descriptor
from tasks.run_context import RunContext
from tasks.stage import context_directory

if TYPE_CHECKING:
    from tasks.decisions import Decided
    from tasks.registry.proof import Proved


@dataclass(frozen=True)
class Pushed:
    """What became of an image.

    Attributes:
        outcome: BUILT, RETAGGED or CURRENT.
        digest: what both tags point to.
        size: how many bytes the registry holds for it; None if it was not read back.
        note: what people should know, or empty.
    """

    outcome: str
    digest: Digest
    size: int | None = None
    note: str = ""


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in context.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Build and push {image.name}, if it changed.",
            "actions": [action(push, context, image)],
            "file_dep": context.file_dependencies[image.name],
            "task_dep": [f"stage:{image.name}", f"repository:{image.name}", "builder", "login"],
            "uptodate": [(is_current, [context, image])],
            "clean": [(context.state.remove_logs, ["push", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "push", "image": image.name},
        }


def is_current(context: RunContext, image: Image) -> bool:
    """Whether the registry has the image under both tags."""
    return isinstance(context.decisions.of(image), Current)


def push(context: RunContext, image: Image) -> dict[str, Any]:
    """Do what the image's decision says; return its outcome, digest, size, fingerprint and a note.

    Raises:
        SleeperImagesError: the image is Blocked or Unknown, or a step failed.
    """
    decided = context.decisions.decided(image)
    match decided.decision:
        case Current(digest):
            pushed = Pushed(CURRENT, digest)
        case Retag(digest):
            pushed = _retag(context, decided, digest)
        case Build():
            pushed = _build(context, decided)
    context.decisions.settle(image, pushed.digest)
    return {
        "outcome": pushed.outcome,
        "digest": str(pushed.digest),
        "size": pushed.size,
        "fingerprint": decided.fingerprint,
        "note": pushed.note,
    }


def _retag(context: RunContext, decided: Decided, digest: Digest) -> Pushed:
    proved = _prove(context, decided, digest)
    context.target.client.put(decided.repository, decided.version, proved.manifest)
    return Pushed(RETAGGED, digest, proved.size)


def _build(context: RunContext, decided: Decided) -> Pushed:
    staged = context_directory(context.state.contexts, decided.image, decided.fingerprint)
    listed = context.records.begin(decided.collected)
    built = _push(context, decided, staged)
    context.decisions.check_unchanged(decided.collected)
    proved = _prove(context, decided, built.digest, fresh=True)
    if context.target.pace is not None:
        context.target.pace.spent(1 + (len(proved.manifest.children) if proved.manifest.is_index else 0))
    # Before the tags: a reader who finds the image finds its record.
    unrecorded = context.records.keep(decided.repository, proved.manifest.descriptor, listed)
    proved = _tag(context, decided, proved)
    staging.remove(staged)
    return Pushed(BUILT, proved.manifest.digest, proved.size, "; ".join(filter(None, (built.note, unrecorded))))


def _push(context: RunContext, decided: Decided, staged: Path) -> Built:
    """Build the image and push it under none of its own tags."""
    tag = _building_tag(context, decided)
    try:
        return _run(context, decided, staged, tag)
    except BuildError as error:
        if tag != buildx.BUILDING or not failure.refuses_tag(error.said):
            raise
    context.repositories.refuse_building_tag(_siblings(context))
    return _run(context, decided, staged, _building_tag(context, decided))


def _run(context: RunContext, decided: Decided, staged: Path, tag: str) -> Built:
    inputs, repository = decided.collected.inputs, decided.repository
    login = context.target.credential(repository.registry)
    return run_build(
        context,
        decided.collected,
        staged,
        buildx.Output.push(repository, inputs, context.docker.engine, tag),
        verb="push",
        platforms=inputs.platforms,
        environment=context.docker.environment(logged_in=True),
        advise=functools.partial(context.target.backend.missing_right, repository),
        renew=functools.partial(context.target.renew_login, login),
    )


def _building_tag(context: RunContext, decided: Decided) -> str:
    """Return a tag that the build can push to, where the driver cannot push by digest."""
    if context.docker.engine.pushes_by_digest:
        return buildx.BUILDING
    return context.repositories.building_tag(decided.repository, _siblings(context))


def _siblings(context: RunContext) -> list[Repository]:
    return [context.target.repository(image) for image in context.asked.pushes]


def _prove(context: RunContext, decided: Decided, digest: Digest, *, fresh: bool = False) -> Proved:
    """Read back what the registry holds and prove that it is the image; `fresh` was pushed just now."""
    from tasks.registry.proof import prove  # noqa: PLC0415  # Only a run that pushes needs it.

    platforms = decided.collected.inputs.platforms
    return prove(context.target.client, decided.repository, digest, decided.image, platforms, fresh=fresh)


def _tag(context: RunContext, decided: Decided, proved: Proved) -> Proved:
    """Write both tags to one image of these inputs: ours, or the one that another run tagged meanwhile; return it."""
    held = None if context.settings.force else _held(context, decided)
    if held is None:
        proved = _claim(context, decided, proved)
    elif held.digest != proved.manifest.digest:
        proved = _prove(context, decided, held.digest, fresh=True)
    context.target.client.put(decided.repository, decided.version, proved.manifest)
    # Two runs can write the inputs tag at once. Read it back and use the winner.
    held = _held(context, decided)
    if held is not None and held.digest != proved.manifest.digest:
        proved = _prove(context, decided, held.digest, fresh=True)
        context.target.client.put(decided.repository, decided.version, proved.manifest)
    return proved


def _held(context: RunContext, decided: Decided) -> Descriptor | None:
    """Return what the inputs tag points to now, if that has the right kind."""
    held = context.target.client.head(decided.repository, decided.inputs_tag)
    return held if held is not None and decided.fits(held) else None


def _claim(context: RunContext, decided: Decided, proved: Proved) -> Proved:
    """Write the inputs tag; return the image it points to: another run's, if that run put an immutable tag first."""
    try:
        context.target.client.put(decided.repository, decided.inputs_tag, proved.manifest)
    except RegistryError as error:
        held = context.target.client.head(decided.repository, decided.inputs_tag) if error.code == IMMUTABLE else None
        if held is None:
            raise
        return _prove(context, decided, held.digest, fresh=True)
    return proved
