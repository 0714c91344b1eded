"""push:<image>: the registry holds the image under both its tags.

    Current ─▶ nothing
    Retag ───▶ PUT the same bytes under the version tag
    Missing ─▶ build and push by digest ─▶ inputs unchanged? ─▶ read back and proved
               ─▶ inputs-<fingerprint> ─▶ version tag

The tags are written last, by us, each by a PUT of the manifest's bytes. A run that is killed between any two steps
leaves nothing that is untrue, and the next run goes on from what the registry holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks import buildx, inputs, proof, staging
from tasks.actions import NO_CAPTURE, action
from tasks.decision import Blocked, Current, Missing, Retag, Unknown
from tasks.errors import ProofError
from tasks.fingerprint import inputs_tag
from tasks.model import Image
from tasks.reference import Digest, Repository
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
            "file_dep": inputs.files(image, session.settings),
            "task_dep": [f"stage:{image.name}", f"repository:{image.name}", "builder", "login"],
            "uptodate": [(is_current, [session, image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "push", "image": image.name},
        }


def is_current(session: Session, image: Image) -> bool:
    """Whether the registry holds the image under both tags."""
    return isinstance(session.decisions.of(image), Current)


def push(session: Session, image: Image) -> dict[str, Any]:
    """Do what the image's decision says; return its outcome, digest and fingerprint."""
    match session.decisions.of(image):
        case Current(digest):
            outcome = CURRENT
        case Retag(digest):
            _tag(session, session.repository(image), digest, session.version)
            outcome = RETAGGED
        case Missing():
            digest, outcome = _build(session, image)
        case Blocked(error) | Unknown(error):
            raise error
    session.decisions.settle(image, digest)
    fingerprint = session.decisions.gathered(image).inputs.fingerprint()
    return {"outcome": outcome, "digest": str(digest), "fingerprint": fingerprint}


def _build(session: Session, image: Image) -> tuple[Digest, str]:
    made_of = session.decisions.gathered(image).inputs
    repository, context = session.repository(image), session.context(image)
    argv = buildx.command(
        session.engine,
        context,
        made_of,
        buildx.Output.push(repository, made_of, session.engine),
        platforms=made_of.platforms,
        metadata=session.metadata("push", image),
        force=session.settings.force,
    )
    built = buildx.build(
        argv,
        image=image.name,
        environment=session.docker_environment(logged_in=True),
        metadata=session.metadata("push", image),
        log=session.log("push", image),
    )
    session.decisions.check_unchanged(image)
    proof.prove(session.client, repository, built, image, made_of.platforms)
    digest = _first(session, image, repository, built, inputs_tag(made_of.fingerprint()))
    _tag(session, repository, digest, session.version)
    staging.remove(context)
    return digest, BUILT


def _first(session: Session, image: Image, repository: Repository, built: Digest, tag: str) -> Digest:
    """Put the inputs tag on what was built, unless somebody else's image of the same inputs has it by now."""
    if not session.settings.force:
        theirs = session.client.head(repository, tag)
        if theirs is not None and proof.kind_fits(theirs, image):
            return theirs.digest
    _tag(session, repository, built, tag)
    return built


def _tag(session: Session, repository: Repository, digest: Digest, tag: str) -> None:
    manifest = session.client.manifest(repository, str(digest))
    if manifest is None:
        raise ProofError(f"{repository.digest(digest)} is not in the registry any more", "run again")
    session.client.put(repository, tag, manifest)
