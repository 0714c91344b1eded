"""repository:<image>: the image's ECR repository exists.

An existing one is success. For a plain OCI registry there is nothing to create: the first push makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.actions import NO_CAPTURE, action
from tasks.model import Image
from tasks.registry.model import Descriptor
from tasks.session import Session
from tasks.stage import is_not_needed


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
    if image.name not in session.created:
        session.created[image.name] = session.ecr.create_repository(session.repository(image).path)
    return {"created": session.created[image.name]}


def check(session: Session, image: Image) -> None:
    """See that the image can be pushed: its repository is there, or can be created and is, and the login may push.

    Raises:
        RegistryError: it cannot.
    """
    held = session.decisions.held(image).values()
    if any(isinstance(answer, Descriptor) for answer in held):
        session.created[image.name] = False
    create(session, image)
    session.client.blobs.check_push(session.repository(image))
