"""Which builders this project made: a record beside buildx's own, so that nobody else's is changed or removed.

    nothing recorded ─▶ begun ─▶ buildx create ─▶ made, in this very instance ─▶ forgotten, once removed

buildx keeps each builder in a file `instances/NAME` of its directory, and writes that file when the builder is created
or changed, and at no other time (its store, `store.go`). The record holds what identifies that file. A builder of the
same name that somebody else made since, or one of ours that somebody changed, has another file, and is not ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.engine.docker_config import user_config_directory
from tasks.model import Builder
from tasks.system import files

CREATING_SECONDS = 600
"""How long after its record was begun a builder counts as ours though the run was killed before it could say so."""


@dataclass(frozen=True)
class Made:
    """A builder that we made.

    Attributes:
        instance: what identifies buildx's file about it; empty while it is being created.
        config: the digest of the configuration that it was created with, or empty.
        daemon: whether its BuildKit was started for it, and not there before.
    """

    instance: str = ""
    config: str = ""
    daemon: bool = True


def buildx_directory(environment: Mapping[str, str]) -> Path:
    """Return where buildx keeps its builders."""
    return Path(environment.get("BUILDX_CONFIG") or user_config_directory(environment) / "buildx")


def instance_path(name: str, environment: Mapping[str, str]) -> Path:
    """Return buildx's file about a builder; it knows names in lower case only."""
    return buildx_directory(environment) / "instances" / name.lower()


def find(name: str, environment: Mapping[str, str]) -> Made | None:
    """Return the record of the builder that has this name now, or None where it is not one that we made."""
    path = _path(name, environment)
    try:
        found = json.loads(path.read_text())
        made = Made(str(found["instance"]), str(found["config"]), found["daemon"] is True)
        there = instance_path(name, environment).stat()
        # A clock for both: of the file system that holds both files.
        age = (there.st_mtime_ns - path.stat().st_mtime_ns) / 1e9
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not made.instance:
        return made if 0 <= age <= CREATING_SECONDS else None
    return made if made.instance == _instance(name, environment) else None


def begin(wanted: Builder, environment: Mapping[str, str]) -> None:
    """Record that we are about to create a builder, none of that name being there."""
    path = _path(wanted.name, environment)
    # Written anew in any case: its time counts.
    with contextlib.suppress(OSError):  # Then buildx cannot write there either, and says so.
        path.unlink(missing_ok=True)
        files.replace(path, json.dumps(asdict(Made(config=config_digest(wanted)))))


def finish(wanted: Builder, environment: Mapping[str, str], *, daemon: bool) -> None:
    """Record that the builder that is there now is the one that we created."""
    made = Made(_instance(wanted.name, environment), config_digest(wanted), daemon)
    with contextlib.suppress(OSError):  # It then counts as somebody else's, and is left alone.
        files.replace(_path(wanted.name, environment), json.dumps(asdict(made)))


def forget(name: str, environment: Mapping[str, str]) -> None:
    """Drop the record of a builder."""
    with contextlib.suppress(OSError):
        _path(name, environment).unlink()


def config_digest(wanted: Builder) -> str:
    """Return the digest of the builder's configuration, or nothing where it has none or that cannot be read."""
    if wanted.config is None:
        return ""
    try:
        return hashlib.sha256(wanted.config.read_bytes()).hexdigest()
    except OSError:
        return ""


def _path(name: str, environment: Mapping[str, str]) -> Path:
    # Its name says nothing to buildx, which keeps builders in `instances`.
    return buildx_directory(environment) / f".sleeper-images-{name.lower()}.json"


def _instance(name: str, environment: Mapping[str, str]) -> str:
    path = instance_path(name, environment)
    try:
        return f"{path.stat().st_mtime_ns}:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return ""
