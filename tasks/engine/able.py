"""Which platforms' programs a builder can run, asked of BuildKit itself.

buildx lists a platform that a node was created for (`--platform`, shown with a star) whether the node can run it or
not, and hides whether BuildKit lists it as well. Where a star is in the way, buildx is asked about a copy of its own
description without stars, in a separate directory: the same nodes, and what their BuildKit says.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from tasks.engine import made
from tasks.engine.nodes import Inspected, parse
from tasks.system import processes


def lacking(name: str, found: Inspected, wanted: Collection[str], environment: Mapping[str, str]) -> set[str]:
    """Return those of the wanted platforms whose programs a builder cannot run; none where it does not say.

    Args:
        name: the builder's.
        found: what buildx says of it.
        wanted: the platforms.
        environment: for the docker commands.
    """
    if not found.platforms:
        return set()
    starred = {node.name: _plain(node.given) & _plain(wanted) for node in found.nodes}
    real = (_unstarred(name, environment) if any(starred.values()) else found) or found
    return {platform for platform in wanted if not _runs(real, starred, platform)}


def _runs(real: Inspected, starred: Mapping[str, Collection[str]], platform: str) -> bool:
    plain = _plain([platform])
    # buildx builds for a platform on the nodes that were created for it, if there are any.
    chosen = {node for node, platforms in starred.items() if plain & set(platforms)} or set(starred)
    return any(plain & _plain(node.platforms) for node in real.nodes if node.name in chosen)


def _unstarred(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return what buildx says of a builder whose nodes were created for nothing; None where it cannot be asked."""
    try:
        described = json.loads(made.instance_path(name, environment).read_text())
        for node in described["Nodes"]:
            # BuildKit's configuration may hold keys, and is of no use for a question.
            node |= {"Platforms": None, "Files": None}
        with tempfile.TemporaryDirectory(prefix="sleeper-images-") as folder:
            (Path(folder) / "instances").mkdir()
            (Path(folder) / "instances" / name.lower()).write_text(json.dumps(described))
            argv = ["docker", "buildx", "inspect", name]
            done = processes.run(argv, environment={**environment, "BUILDX_CONFIG": folder})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = parse(done.output)
    return found if done.code == 0 and found.platforms else None


def _plain(platforms: Collection[str]) -> set[str]:
    # arm64 has one variant, which BuildKit leaves out.
    return {name.removesuffix("/v8") if name.endswith("/arm64/v8") else name for name in platforms}
