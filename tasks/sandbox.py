"""sandbox, sandbox:stop: the sandbox as doit tasks.

sandbox ──▶ engine ─▶ registry ─▶ ECR and STS API ─▶ sample scripts
sandbox:stop        a task of its own: nothing depends on it
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.layout import Sandbox
from tasks.configuration.faults import shown
from tasks.engine.progress import Progress
from tasks.graph.actions import NO_CAPTURE, action
from tasks.run_context import RunContext
from tasks.system.terminal import spelled

_TASK = "sandbox"


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the sandbox's tasks."""
    used = contextlib.ExitStack()
    yield {
        "basename": _TASK,
        "doc": "Start an engine, a registry and an ECR API on this machine.",
        "actions": [action(_start, context, used)],
        "clean": [(_remove, [context.sandbox])],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }
    yield {
        "basename": f"{_TASK}:stop",
        "doc": spelled("Stop the sandbox; `doit clean sandbox` removes what it made."),
        "actions": [action(_stop, context.sandbox, used)],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }


def _start(context: RunContext, used: contextlib.ExitStack) -> dict[str, str]:
    """Start it; the values say what the others use, and the note what to do with it, where the run does not.

    Until this run ends, another one cannot stop it.
    """
    from sandbox import servers  # noqa: PLC0415  # Only a run of these tasks pays for its imports.

    def tell(step: str) -> None:
        context.channel.tell(_TASK, Progress(step))

    used.enter_context(servers.used(context.sandbox))
    engine = servers.start(context.sandbox, context.catalogue.images, tell)
    found = {
        "engine": engine.host,
        "registry": context.sandbox.docker_registry,
        "api": context.sandbox.endpoint_url,
        "scripts": str(context.sandbox.scripts_dir),
    }
    used_by_run = context.asked.pushes or context.asked.loads
    return found if used_by_run else {**found, "note": _note(context.sandbox, engine.host)}


def _note(sandbox: Sandbox, engine: str) -> str:
    return (
        "sandbox runs\n"
        f"  scripts   {shown(sandbox.scripts_dir)}\n"
        f"  engine    {engine}\n"
        f"  registry  {sandbox.docker_registry}\n"
        f"  ECR API   {sandbox.endpoint_url}\n"
        "  next: ./doitw sandbox push_all (./doitw sandbox:stop stops it)"
    )


def _stop(sandbox: Sandbox, used: contextlib.ExitStack) -> None:
    from sandbox import servers  # noqa: PLC0415  # As above.

    used.close()
    servers.stop(sandbox)


def _remove(sandbox: Sandbox, *, dryrun: bool) -> list[Path]:
    from sandbox import servers  # noqa: PLC0415  # As above.

    found = [sandbox.directory] if sandbox.directory.exists() else []
    if not dryrun:
        servers.remove(sandbox)
    return found
