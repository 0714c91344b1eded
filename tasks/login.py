"""login: docker and buildx can push to the registry, for as long as this run lasts.

Credentials are fetched once and given out by a credential helper (`tasks.engine.credentials`): no argument,
environment or file contains them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.graph.actions import NO_CAPTURE, action
from tasks.run_context import RunContext
from tasks.stage import is_not_needed


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "login",
        "doc": "Log in to the registry, for this run only.",
        "actions": [action(login, context)],
        "task_dep": context.before,
        "uptodate": [(nothing_is_pushed, [context])],
        "io": NO_CAPTURE,
        "meta": {"verb": "login"},
    }


def nothing_is_pushed(context: RunContext) -> bool:
    """Whether this run pushes no layers: to move tags, the credentials that the decisions needed are enough."""
    return all(is_not_needed(context, image) for image in context.asked.pushes)


def login(context: RunContext) -> dict[str, Any]:
    """Fetch the credentials and start the helper that gives them to buildx, if an image has to be pushed."""
    if nothing_is_pushed(context):
        return {}
    registry = context.target.registry
    context.target.credential(registry)
    _ = context.docker.login
    return {"registry": str(registry)}
