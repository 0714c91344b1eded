"""push:<image>: the registry holds the image under both its tags.

    Current ─▶ nothing
    Retag ───▶ PUT the same bytes under the version tag
    Missing ─▶ build and push by digest ─▶ inputs unchanged? ─▶ read back and proved
               ─▶ record of the inputs ─▶ inputs-<fingerprint> ─▶ version tag

The tags are written last, by us, each by a PUT of the manifest's bytes. A run that is killed between any two steps
leaves nothing that is untrue, and the next run goes on from what the registry holds.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterator
from typing import Any

from tasks.decision import Blocked, Current, Missing, Retag, Unknown
from tasks.engine import buildx, retry
from tasks.errors import BuildError, RegistryError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import collect, staging
from tasks.image.fingerprint import inputs_tag
from tasks.model import Image
from tasks.reference import Digest
from tasks.refresh import pulls
from tasks.registry.model import Manifest
from tasks.repository import if_denied
from tasks.session import Session

BUILT, RETAGGED, CURRENT = "built", "retagged", "current"
"""What became of an image, in a task's values and in the summary."""


def tasks(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in session.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Build and push {image.name}, if it changed.",
            "actions": [action(push, session, image)],
            "file_dep": session.files(image),
            "task_dep": [f"stage:{image.name}", f"repository:{image.name}", "builder", "login"],
            "uptodate": [(is_current, [session, image])],
            "clean": [(session.state.remove_logs, ["push", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "push", "image": image.name},
        }


def is_current(session: Session, image: Image) -> bool:
    """Whether the registry holds the image under both tags."""
    return isinstance(session.decisions.of(image), Current)


def push(session: Session, image: Image) -> dict[str, Any]:
    """Do what the image's decision says; return its outcome, digest, size and fingerprint."""
    note = ""
    match session.decisions.of(image):
        case Current(digest):
            outcome = CURRENT
        case Retag(digest):
            _retag(session, image, digest)
            outcome = RETAGGED
        case Missing():
            digest, note = _build(session, image)
            outcome = BUILT
        case Blocked(error) | Unknown(error):
            raise error
    session.decisions.settle(image, digest)
    fingerprint = session.decisions.collected(image).inputs.fingerprint()
    size = session.sizes.get(image.name)
    return {"outcome": outcome, "digest": str(digest), "size": size, "fingerprint": fingerprint, "note": note}


def _build(session: Session, image: Image) -> tuple[Digest, str]:
    repository, context = session.repository(image), session.context(image)
    listed = session.records.begin(session.decisions.collected(image))
    built, note = _push(session, image)
    session.decisions.check_unchanged(image)
    manifest = _prove(session, image, built, fresh=True)
    if session.puts is not None:
        session.puts.spent(1 + (len(manifest.children) if manifest.is_index else 0))
    # Before the tags: who finds the image finds its record.
    unrecorded = session.records.keep(repository, manifest.descriptor, listed)
    manifest = _tag(session, image, manifest)
    staging.remove(context)
    return manifest.digest, "; ".join(filter(None, (note, unrecorded)))


def _push(session: Session, image: Image) -> tuple[Digest, str]:
    """Build the image and push it under no tag of ours; return its digest and a note for people, or nothing."""
    tag = _building(session, image)
    try:
        return _run(session, image, tag)
    except BuildError as error:
        if tag != buildx.BUILDING or not retry.refuses_tag(error.said):
            raise
    # Only ECR says beforehand that tags cannot move. All of this run's images are in one registry.
    session.keeps_building.update(session.repository(one) for one in session.pushes)
    return _run(session, image, _building(session, image))


def _run(session: Session, image: Image, building: str) -> tuple[Digest, str]:
    made_of, repository = session.decisions.collected(image).inputs, session.repository(image)
    pull, pulled = pulls(session, made_of)
    argv = buildx.command(
        session.engine,
        session.context(image),
        made_of,
        buildx.Output.push(repository, made_of, session.engine, building),
        platforms=made_of.platforms,
        metadata=session.state.metadata("push", image),
        force=session.settings.force,
        pull=pull,
    )
    given = session.credential(repository.registry)
    run_build = functools.partial(
        buildx.build,
        image=image.name,
        environment=session.docker_environment(logged_in=True),
        metadata=session.state.metadata("push", image),
        log=session.state.log("push", image),
        listener=session.listener("push", image),
        advise=functools.partial(if_denied, session, image),
    )
    built, note = session.alive.build(lambda: retry.build(argv, run_build, renew=lambda: session.renew_login(given)))
    return built, "; ".join(filter(None, (note, pulled)))


def _tag(session: Session, image: Image, manifest: Manifest) -> Manifest:
    """Put both tags on one image of these inputs: ours, or one that somebody else put there meanwhile. Return it."""
    from tasks.registry.proof import kind_fits  # noqa: PLC0415  # What talks to the registry is loaded by what needs it.

    repository, tag = session.repository(image), inputs_tag(session.decisions.collected(image).inputs.fingerprint())
    theirs = None if session.settings.force else session.client.head(repository, tag)
    if theirs is None or not kind_fits(theirs, image):
        manifest = _claim(session, image, tag, manifest)
    elif theirs.digest != manifest.digest:
        manifest = _prove(session, image, theirs.digest, fresh=True)
    session.client.put(repository, session.version, manifest)
    # Two who look at the same moment both put their own. Whoever is last to look finds what the inputs tag stays on.
    theirs = session.client.head(repository, tag)
    if theirs is not None and theirs.digest != manifest.digest and kind_fits(theirs, image):
        manifest = _prove(session, image, theirs.digest, fresh=True)
        session.client.put(repository, session.version, manifest)
    return manifest


def _claim(session: Session, image: Image, tag: str, manifest: Manifest) -> Manifest:
    """Put the inputs tag on `manifest`; return that, or what somebody else put there first if it cannot be moved."""
    from tasks.registry.oci import IMMUTABLE  # noqa: PLC0415  # As above.

    repository = session.repository(image)
    try:
        session.client.put(repository, tag, manifest)
    except RegistryError as error:
        theirs = session.client.head(repository, tag) if error.code == IMMUTABLE else None
        if theirs is None:
            raise
        return _prove(session, image, theirs.digest, fresh=True)
    return manifest


def _building(session: Session, image: Image) -> str:
    """Return a tag that this build can be pushed to, whatever was before: one for itself where tags cannot move."""
    if session.engine.pushes_by_digest or session.repository(image) not in session.keeps_building:
        return buildx.BUILDING
    return f"{buildx.BUILDING}-{secrets.token_hex(8)}"


def _retag(session: Session, image: Image, digest: Digest) -> None:
    session.client.put(session.repository(image), session.version, _prove(session, image, digest))


def _prove(session: Session, image: Image, digest: Digest, *, fresh: bool = False) -> Manifest:
    """Read back what the registry holds and return it, if it is what this image must be; `fresh` was just pushed."""
    from tasks.registry.proof import prove  # noqa: PLC0415  # As above.

    platforms = collect.platforms(image, session.settings)
    proved = prove(session.client, session.repository(image), digest, image, platforms, fresh=fresh)
    session.sizes[image.name] = proved.size
    return proved.manifest
