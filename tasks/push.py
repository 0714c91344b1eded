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
from typing import Any

from tasks.build import Built, run_build
from tasks.decision import Build, Current, Retag
from tasks.decisions import Decided
from tasks.engine import buildx, failure
from tasks.errors import BuildError, RegistryError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import staging
from tasks.model import BUILT, CURRENT, RETAGGED, Image
from tasks.reference import Digest, Repository
from tasks.registry.client import IMMUTABLE
from tasks.registry.model import Descriptor
from tasks.registry.proof import Proved, kind_fits, prove
from tasks.run_context import RunContext
from tasks.stage import context_directory


@dataclass(frozen=True)
class Pushed:
    """What became of an image.

    Attributes:
        outcome: BUILT, RETAGGED or CURRENT.
        digest: what both tags point to.
        size: how many bytes the registry holds for it; None where it was not read back.
        note: what people should know, or empty.
    """

    outcome: str
    digest: Digest
    size: int | None = None
    note: str = ""


def tasks(session: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in session.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Build and push {image.name}, if it changed.",
            "actions": [action(push, session, image)],
            "file_dep": session.file_dependencies[image.name],
            "task_dep": [f"stage:{image.name}", f"repository:{image.name}", "builder", "login"],
            "uptodate": [(is_current, [session, image])],
            "clean": [(session.state.remove_logs, ["push", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "push", "image": image.name},
        }


def is_current(session: RunContext, image: Image) -> bool:
    """Whether the registry has the image under both tags."""
    return isinstance(session.decisions.of(image), Current)


def push(session: RunContext, image: Image) -> dict[str, Any]:
    """Do what the image's decision says; return its outcome, digest, size, fingerprint and a note.

    Raises:
        SleeperImagesError: the image is Blocked or Unknown, or a step failed.
    """
    decided = session.decisions.decided(image)
    match decided.decision:
        case Current(digest):
            pushed = Pushed(CURRENT, digest)
        case Retag(digest):
            pushed = _retag(session, decided, digest)
        case Build():
            pushed = _build(session, decided)
    session.decisions.settle(image, pushed.digest)
    return {
        "outcome": pushed.outcome,
        "digest": str(pushed.digest),
        "size": pushed.size,
        "fingerprint": decided.fingerprint,
        "note": pushed.note,
    }


def _retag(session: RunContext, decided: Decided, digest: Digest) -> Pushed:
    proved = _prove(session, decided, digest)
    session.target.client.put(decided.repository, decided.version, proved.manifest)
    return Pushed(RETAGGED, digest, proved.size)


def _build(session: RunContext, decided: Decided) -> Pushed:
    staged = context_directory(session.state.contexts, decided.image, decided.fingerprint)
    listed = session.records.begin(decided.collected)
    built = _push(session, decided, staged)
    session.decisions.check_unchanged(decided.collected)
    proved = _prove(session, decided, built.digest, fresh=True)
    if session.target.pace is not None:
        session.target.pace.spent(1 + (len(proved.manifest.children) if proved.manifest.is_index else 0))
    # Before the tags: a reader who finds the image finds its record.
    unrecorded = session.records.keep(decided.repository, proved.manifest.descriptor, listed)
    proved = _tag(session, decided, proved)
    staging.remove(staged)
    return Pushed(BUILT, proved.manifest.digest, proved.size, "; ".join(filter(None, (built.note, unrecorded))))


def _push(session: RunContext, decided: Decided, staged: Path) -> Built:
    """Build the image and push it under none of its own tags."""
    tag = _building_tag(session, decided)
    try:
        return _run(session, decided, staged, tag)
    except BuildError as error:
        if tag != buildx.BUILDING or not failure.refuses_tag(error.said):
            raise
    session.repositories.refuse_building_tag(_siblings(session))
    return _run(session, decided, staged, _building_tag(session, decided))


def _run(session: RunContext, decided: Decided, staged: Path, tag: str) -> Built:
    inputs, repository = decided.collected.inputs, decided.repository
    login = session.target.credential(repository.registry)
    return run_build(
        session,
        decided.collected,
        staged,
        buildx.Output.push(repository, inputs, session.docker.engine, tag),
        verb="push",
        platforms=inputs.platforms,
        environment=session.docker.environment(logged_in=True),
        advise=functools.partial(session.target.backend.missing_right, repository),
        renew=functools.partial(session.target.renew_login, login),
    )


def _building_tag(session: RunContext, decided: Decided) -> str:
    """Return a tag that the build can push to, where the driver cannot push by digest."""
    if session.docker.engine.pushes_by_digest:
        return buildx.BUILDING
    return session.repositories.building_tag(decided.repository, _siblings(session))


def _siblings(session: RunContext) -> list[Repository]:
    return [session.target.repository(image) for image in session.asked.pushes]


def _prove(session: RunContext, decided: Decided, digest: Digest, *, fresh: bool = False) -> Proved:
    """Read back what the registry holds and prove that it is the image; `fresh` was pushed just now."""
    platforms = decided.collected.inputs.platforms
    return prove(session.target.client, decided.repository, digest, decided.image, platforms, fresh=fresh)


def _tag(session: RunContext, decided: Decided, proved: Proved) -> Proved:
    """Write both tags to one image of these inputs: ours, or the one that another run tagged meanwhile; return it."""
    held = None if session.settings.force else _held(session, decided)
    if held is None:
        proved = _claim(session, decided, proved)
    elif held.digest != proved.manifest.digest:
        proved = _prove(session, decided, held.digest, fresh=True)
    session.target.client.put(decided.repository, decided.version, proved.manifest)
    # Two runs can write the inputs tag at once. Read it back and use the winner.
    held = _held(session, decided)
    if held is not None and held.digest != proved.manifest.digest:
        proved = _prove(session, decided, held.digest, fresh=True)
        session.target.client.put(decided.repository, decided.version, proved.manifest)
    return proved


def _held(session: RunContext, decided: Decided) -> Descriptor | None:
    """Return what the inputs tag points to now, if that has the right kind."""
    held = session.target.client.head(decided.repository, decided.inputs_tag)
    return held if held is not None and kind_fits(held, decided.image) else None


def _claim(session: RunContext, decided: Decided, proved: Proved) -> Proved:
    """Write the inputs tag; return what it points to then: another run's image where an immutable tag was first."""
    try:
        session.target.client.put(decided.repository, decided.inputs_tag, proved.manifest)
    except RegistryError as error:
        held = session.target.client.head(decided.repository, decided.inputs_tag) if error.code == IMMUTABLE else None
        if held is None:
            raise
        return _prove(session, decided, held.digest, fresh=True)
    return proved
