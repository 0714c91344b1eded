"""builder: the buildx builder exists, runs, and is as the catalogue describes it, before the builds begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.engine import builders
from tasks.graph.actions import NO_CAPTURE, action
from tasks.run_context import RunContext
from tasks.stage import is_not_needed


def tasks(session: RunContext) -> Iterator[dict[str, Any]]:
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


def is_not_used(session: RunContext) -> bool:
    """Whether this run builds no image at all, and nobody named the builder itself."""
    asked = session.asked
    return not asked.loads and not asked.builder and all(is_not_needed(session, image) for image in asked.pushes)


def boot(session: RunContext) -> dict[str, Any]:
    """Get the builder ready, if it is used; return which one builds."""
    if is_not_used(session):
        return {}
    engine = session.docker.engine
    return {"builder": engine.builder, "driver": engine.driver, "note": engine.note}


def remove(session: RunContext, *, dryrun: bool) -> list[str]:
    """Remove the builder and our record of it, unless `dryrun`; return what there was. The engine's own builder stays.

    Raises:
        SleeperImagesError: it cannot be removed, or another run builds with it.
    """
    if not dryrun:
        session.state.builder.unlink(missing_ok=True)
    name = session.docker.builder.name
    return [f"the builder {name}"] if builders.remove(name, session.docker.environment(), dryrun=dryrun) else []
