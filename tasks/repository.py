"""repository:<image>: the image's repository exists.

An existing one is success. Where the first push creates it, as in a plain registry, there is nothing to do. In the
registry of another AWS account nothing is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.errors import RegistryError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.model import Image
from tasks.registry.model import Descriptor
from tasks.session import Session
from tasks.stage import is_not_needed

_REFUSED = {401, 403, 404}


def tasks(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in session.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Create the ECR repository of {image.name}.",
            "actions": [action(create, session, image)],
            "task_dep": session.before,
            "uptodate": [(is_not_needed, [session, image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "repository", "image": image.name},
        }


def create(session: Session, image: Image) -> dict[str, Any]:
    """Create the repository where it is missing, if the image has to be pushed."""
    if is_not_needed(session, image) or not session.target.backend.creates_repositories:
        return {}
    refusal = _create(session, image)
    if refusal is not None:
        _check_push(session, image, refusal)
    return {"created": session.created[image.name]}


def check(session: Session, image: Image) -> None:
    """See that the image can be pushed: its repository is there, or can be created and is, and the login may push.

    Raises:
        RegistryError: it cannot.
    """
    held = session.decisions.held(image).values()
    if any(isinstance(answer, Descriptor) for answer in held):
        session.created[image.name] = False
    _check_push(session, image, _create(session, image) if session.target.backend.creates_repositories else None)


def _create(session: Session, image: Image) -> RegistryError | None:
    """Create the repository, unless it is known to be there; return why this login may not.

    That decides nothing: the repository may be there, or the registry may create it at the first push (a repository
    creation template does).
    """
    if image.name not in session.created:
        created = session.target.backend.create_repository(session.repository(image))
        if isinstance(created, RegistryError):
            return created
        session.created[image.name] = created
    return None


def _check_push(session: Session, image: Image, refusal: RegistryError | None) -> None:
    """Begin an upload and give it up; RegistryError where that is refused, with why the repository was not created."""
    repository = session.repository(image)
    try:
        session.client.check_push(repository)
    except RegistryError as fault:
        if fault.status not in _REFUSED:
            raise
        explained = session.target.backend.explain_refusal(repository, fault, refusal)
        if explained is fault:
            raise
        raise explained from fault
    session.created.setdefault(image.name, False)


def if_denied(session: Session, image: Image, said: str) -> str:
    """Return the next step where the registry denied a push for want of a right; empty for other faults.

    Args:
        session: whose push.
        image: what was pushed.
        said: BuildKit's output.
    """
    return session.target.backend.missing_right(session.repository(image), said)
