"""repository:<image>: the image's ECR repository exists.

An existing one is success. In a plain OCI registry there is nothing to create: the first push does it. In the registry
of another AWS account nothing is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.errors import RegistryError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.model import Image
from tasks.registry.aws_faults import DENIED, NOT_OURS, another_account, rights_denied
from tasks.registry.model import Descriptor
from tasks.session import Session
from tasks.stage import is_not_needed

_NOT_FOUND = 404
_REFUSED = {401, 403, _NOT_FOUND}


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
    if is_not_needed(session, image) or not session.target.ecr:
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
    _check_push(session, image, _create(session, image) if session.target.ecr else None)


def _create(session: Session, image: Image) -> RegistryError | None:
    """Create the repository, unless it is known to be there; return why this login may not.

    That decides nothing: the repository may be there, or the registry may create it at the first push (a repository
    creation template does).
    """
    if image.name not in session.created:
        try:
            session.created[image.name] = session.ecr.create_repository(session.repository(image).path)
        except RegistryError as refusal:
            if refusal.code not in {*DENIED, NOT_OURS}:
                raise
            return refusal
    return None


def _check_push(session: Session, image: Image, refusal: RegistryError | None) -> None:
    """Begin an upload and give it up; RegistryError where that is refused, with why the repository was not created."""
    repository = session.repository(image)
    try:
        session.client.blobs.check_push(repository)
    except RegistryError as fault:
        if fault.status not in _REFUSED or not session.target.ecr:
            raise
        if refusal is not None and refusal.code in DENIED and fault.status == _NOT_FOUND:
            raise refusal from fault
        accounts = session.ecr.foreign
        if accounts is None:
            raise
        own, theirs = accounts
        raise RegistryError(
            f"{fault.message}; the registry is of account {theirs}, the AWS login of account {own}",
            another_account(repository.path, session.settings.region, own, theirs),
            status=fault.status,
            code=fault.code,
        ) from fault
    session.created.setdefault(image.name, False)


def if_denied(session: Session, image: Image, said: str) -> str:
    """Return the next step where ECR denied a push for want of a right; nothing where something else was wrong.

    Args:
        session: whose push.
        image: what was pushed.
        said: what BuildKit says.
    """
    rights = rights_denied(said) if session.target.ecr else ""
    if not rights:
        return ""
    accounts = session.ecr.foreign
    if accounts is None:
        return f"allow {rights} to this AWS login, or use another (AWS_PROFILE); see docs/aws-policy.md"
    own, theirs = accounts
    path = session.repository(image).path
    return f"let the policy of {path} in account {theirs} allow {rights} to account {own}; see docs/aws-policy.md"
