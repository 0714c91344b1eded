"""login: docker and buildx can push to the registry, for as long as this run lasts.

Credentials are fetched once and given out by a credential helper (`tasks.engine.credentials`), so that they are
in no argument, environment or file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.graph.actions import NO_CAPTURE, action
from tasks.session import Session
from tasks.stage import is_not_needed


def tasks(session: Session) -> Iterator[dict[str, Any]]:
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


def nothing_is_pushed(session: Session) -> bool:
    """Whether this run pushes no layers: tags are moved with credentials that the look at the registry fetched."""
    return all(is_not_needed(session, image) for image in session.pushes)


def login(session: Session) -> dict[str, Any]:
    """Fetch the credentials, if an image has to be pushed, and be ready to give them to buildx."""
    if nothing_is_pushed(session):
        return {}
    registry = session.target.registry
    session.target.credential(registry)
    _ = session.login
    return {"registry": str(registry)}
