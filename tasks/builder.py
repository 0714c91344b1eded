"""builder: the buildx builder is there, booted, and as the catalogue describes it, before builds fan out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.engine import builders
from tasks.graph.actions import NO_CAPTURE, action
from tasks.session import Session
from tasks.stage import is_not_needed


def tasks(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "builder",
        "doc": "Get the buildx builder ready.",
        "actions": [action(boot, session)],
        "task_dep": session.before,
        "uptodate": [(is_not_used, [session])],
        "clean": [(remove, [session])],
        "io": NO_CAPTURE,
        "meta": {"verb": "builder"},
    }


def is_not_used(session: Session) -> bool:
    """Whether this run builds no image at all, and nobody named the builder itself."""
    unused = not session.loads and not session.boots
    return unused and all(is_not_needed(session, image) for image in session.pushes)


def boot(session: Session) -> dict[str, Any]:
    """Get the builder ready, if it is used; return which one builds."""
    if is_not_used(session):
        return {}
    return {"builder": session.engine.builder, "driver": session.engine.driver, "note": session.engine.note}


def remove(session: Session, *, dryrun: bool) -> list[str]:
    """Remove the builder and what is remembered of it, unless `dryrun`; the engine's own stays. Return what there was.

    Raises:
        SleeperImagesError: it cannot be removed, or another run builds with it.
    """
    if not dryrun:
        session.state.builder.unlink(missing_ok=True)
    there = builders.remove(session.builder.name, session.docker_environment(logged_in=False), dryrun=dryrun)
    return [f"the builder {session.builder.name}"] if there else []
