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


def tasks(session: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "login",
        "doc": "Log in to the registry, for this run only.",
        "actions": [action(login, session)],
        "task_dep": session.before,
        "uptodate": [(nothing_is_pushed, [session])],
        "io": NO_CAPTURE,
        "meta": {"verb": "login"},
    }


def nothing_is_pushed(session: RunContext) -> bool:
    """Whether this run pushes no layers: to move tags, the credentials that the decisions needed are enough."""
    return all(is_not_needed(session, image) for image in session.asked.pushes)


def login(session: RunContext) -> dict[str, Any]:
    """Fetch the credentials and start the helper that gives them to buildx, if an image has to be pushed."""
    if nothing_is_pushed(session):
        return {}
    registry = session.target.registry
    session.target.credential(registry)
    _ = session.docker.login
    return {"registry": str(registry)}
