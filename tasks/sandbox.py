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


def tasks(session: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the sandbox's tasks."""
    used = contextlib.ExitStack()
    yield {
        "basename": _TASK,
        "doc": "Start an engine, a registry and an ECR API on this machine.",
        "actions": [action(_start, session, used)],
        "clean": [(_remove, [session.sandbox])],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }
    yield {
        "basename": f"{_TASK}:stop",
        "doc": spelled("Stop the sandbox; `doit clean sandbox` removes what it made."),
        "actions": [action(_stop, session.sandbox, used)],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }


def _start(session: RunContext, used: contextlib.ExitStack) -> dict[str, str]:
    """Start it; the values say what the others use, and the note what to do with it, where the run does not.

    Until this run ends, another one cannot stop it.
    """
    from sandbox import servers  # noqa: PLC0415  # Only a run of these tasks pays for its imports.

    def tell(step: str) -> None:
        session.channel.tell(_TASK, Progress(step))

    used.enter_context(servers.used(session.sandbox))
    engine = servers.start(session.sandbox, session.catalogue.images, tell)
    found = {
        "engine": engine.host,
        "registry": session.sandbox.docker_registry,
        "api": session.sandbox.endpoint_url,
        "scripts": str(session.sandbox.scripts_dir),
    }
    used_by_run = session.asked.pushes or session.asked.loads
    return found if used_by_run else {**found, "note": _note(session.sandbox, engine.host)}


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
