"""repository:<image>: the image's repository exists.

An existing one is success. Where the first push creates it, as in a plain registry, there is nothing to do. In the
registry of another AWS account nothing is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.graph.actions import NO_CAPTURE, action
from tasks.model import Image
from tasks.run_context import RunContext
from tasks.stage import is_not_needed


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in context.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Create the repository of {image.name}.",
            "actions": [action(create, context, image)],
            "task_dep": context.before,
            "uptodate": [(is_not_needed, [context, image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "repository", "image": image.name},
        }


def create(context: RunContext, image: Image) -> dict[str, Any]:
    """Create the repository unless it exists, if the image has to be pushed; return whether it was created.

    Raises:
        RegistryError: it does not exist, and cannot be created.
    """
    if is_not_needed(context, image) or not context.target.backend.creates_repositories:
        return {}
    return {"created": context.repositories.create(context.decisions.decided(image).repository)}
