"""builder: the buildx builder exists, runs, and is as the catalogue describes it, before the builds begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.engine import builders
from tasks.graph.actions import NO_CAPTURE, action
from tasks.run_context import RunContext
from tasks.stage import is_not_needed


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "builder",
        "doc": "Get the buildx builder ready.",
        "actions": [action(boot, context)],
        "task_dep": context.before,
        "uptodate": [(is_not_used, [context])],
        "clean": [(remove, [context])],
        "io": NO_CAPTURE,
        "meta": {"verb": "builder"},
    }


def is_not_used(context: RunContext) -> bool:
    """Whether the run does not need the builder: no image is built, and the command line does not name it."""
    asked = context.asked
    return not asked.loads and not asked.builder and all(is_not_needed(context, image) for image in asked.pushes)


def boot(context: RunContext) -> dict[str, Any]:
    """Get the builder ready, if it is used; return which one builds."""
    if is_not_used(context):
        return {}
    engine = context.docker.engine
    return {"builder": engine.builder, "driver": engine.driver, "note": engine.note}


def remove(context: RunContext, *, dryrun: bool) -> list[str]:
    """Remove the builder and our record of it, unless `dryrun`; return what there was. The engine's own builder stays.

    Raises:
        SleeperImagesError: it cannot be removed, or another run builds with it.
    """
    if not dryrun:
        context.state.builder.unlink(missing_ok=True)
    name = context.docker.builder.name
    return [f"the builder {name}"] if builders.remove(name, context.docker.environment(), dryrun=dryrun) else []
