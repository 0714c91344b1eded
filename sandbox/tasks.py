"""The sandbox as doit tasks.

sandbox ──▶ engine ─▶ registry ─▶ ECR and STS API ─▶ sample scripts
sandbox:stop        a task of its own: nothing depends on it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.layout import Sandbox
from tasks.actions import NO_CAPTURE, action
from tasks.model import Image


def tasks(sandbox: Sandbox, images: Iterable[Image]) -> Iterator[dict[str, Any]]:
    """Yield the sandbox's tasks.

    Args:
        sandbox: which one.
        images: what its sample scripts must have.
    """
    yield {
        "basename": "sandbox",
        "doc": "Start an engine, a registry and an ECR API on this machine.",
        "actions": [action(_start, sandbox, tuple(images))],
        "clean": [(_remove, [sandbox])],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }
    yield {
        "basename": "sandbox:stop",
        "doc": "Stop the sandbox; `doit clean sandbox` removes what it made.",
        "actions": [action(_stop, sandbox)],
        "uptodate": [False],
        "io": NO_CAPTURE,
        "meta": {"verb": "sandbox"},
    }


def _start(sandbox: Sandbox, images: tuple[Image, ...]) -> dict[str, str]:
    """Start it; the values say what the others use."""
    from sandbox import servers  # noqa: PLC0415  # Only a run of these tasks pays for its imports.

    engine = servers.start(sandbox, images)
    return {
        "engine": engine.host,
        "registry": sandbox.docker_registry,
        "api": sandbox.endpoint_url,
        "scripts": str(sandbox.scripts_dir),
    }


def _stop(sandbox: Sandbox) -> None:
    from sandbox import servers  # noqa: PLC0415  # As above.

    servers.stop(sandbox)


def _remove(sandbox: Sandbox, *, dryrun: bool) -> list[Path]:
    from sandbox import servers  # noqa: PLC0415  # As above.

    found = [sandbox.directory] if sandbox.directory.exists() else []
    if not dryrun:
        servers.remove(sandbox)
    return found
