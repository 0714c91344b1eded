"""What is recorded about builders: which of them this project made, and which could not boot.

    no record ─▶ begun ─▶ buildx create ─▶ made: this very instance ─▶ removed, and the record with it

The record of a builder that we made lies beside buildx's own files, so that no other builder is changed or removed.
buildx keeps each builder in a file `instances/NAME` of its directory, and writes that file only when the builder is
created or changed (buildx, store/store.go). The record identifies that file. A builder of the same name that somebody
else has made since, or one of ours that somebody has changed, has another file, and is not ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.engine.buildx import Engine
from tasks.engine.docker_config import read_config, user_config_directory
from tasks.model import Builder
from tasks.system import files
from tasks.system.secrets import safe

CREATING_SECONDS = 600
"""How long a builder is ours by a record that was only begun, as the run was killed before `buildx create` ended."""

MEMORY_SECONDS = 24 * 3600
"""How long a builder that could not boot is not tried again."""


# Builders that we made


@dataclass(frozen=True)
class Made:
    """A builder that we made.

    Attributes:
        instance: identifies buildx's file about it; empty while the builder is being created.
        config: the digest of the configuration that it was created with, or empty.
        daemon: whether its BuildKit was started for it, rather than there before.
    """

    instance: str = ""
    config: str = ""
    daemon: bool = True


def buildx_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory in which buildx keeps its builders."""
    return Path(environment.get("BUILDX_CONFIG") or user_config_directory(environment) / "buildx")


def instance_path(name: str, environment: Mapping[str, str]) -> Path:
    """Return buildx's file about a builder, whose name it writes in lower case."""
    return buildx_directory(environment) / "instances" / name.lower()


def find(name: str, environment: Mapping[str, str]) -> Made | None:
    """Return the record of the builder that has this name now; None if this project did not create it."""
    path = _path(name, environment)
    try:
        found = json.loads(path.read_text())
        made = Made(str(found["instance"]), str(found["config"]), found["daemon"] is True)
        there = instance_path(name, environment).stat()
        # Both times are of the same clock: that of the file system.
        age = (there.st_mtime_ns - path.stat().st_mtime_ns) / 1e9
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not made.instance:
        return made if 0 <= age <= CREATING_SECONDS else None
    return made if made.instance == _instance(name, environment) else None


def begin(wanted: Builder, environment: Mapping[str, str]) -> None:
    """Record that we are about to create a builder; no builder has that name."""
    path = _path(wanted.name, environment)
    # Written in any case, for its time.
    with contextlib.suppress(OSError):  # Then buildx cannot write there either, and says so.
        path.unlink(missing_ok=True)
        files.replace(path, json.dumps(asdict(Made(config=config_digest(wanted)))))


def finish(wanted: Builder, environment: Mapping[str, str], *, daemon: bool) -> None:
    """Record that the builder that is there now is the one that we created."""
    made = Made(_instance(wanted.name, environment), config_digest(wanted), daemon)
    with contextlib.suppress(OSError):  # The builder then counts as somebody else's, and is left alone.
        files.replace(_path(wanted.name, environment), json.dumps(asdict(made)))


def forget(name: str, environment: Mapping[str, str]) -> None:
    """Remove the record of a builder."""
    with contextlib.suppress(OSError):
        _path(name, environment).unlink()


def config_digest(wanted: Builder) -> str:
    """Return the digest of the builder's configuration; empty without a readable configuration."""
    if wanted.config is None:
        return ""
    try:
        return hashlib.sha256(wanted.config.read_bytes()).hexdigest()
    except OSError:
        return ""


def _path(name: str, environment: Mapping[str, str]) -> Path:
    # buildx looks for builders only in `instances`.
    return buildx_directory(environment) / f".sleeper-images-{name.lower()}.json"


def _instance(name: str, environment: Mapping[str, str]) -> str:
    path = instance_path(name, environment)
    try:
        return f"{path.stat().st_mtime_ns}:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return ""


# Builders that could not boot


def substitute(memory: Path, wanted: Builder, environment: Mapping[str, str]) -> Engine | None:
    """Return the builder that was used in place of one that could not boot; None if the wanted one can be tried.

    To try it again costs seconds.
    """
    try:
        known = json.loads(memory.read_text())
        young = 0 <= time.time() - float(known["at"]) < MEMORY_SECONDS
        if young and known["circumstances"] == _circumstances(wanted, environment):
            return Engine(str(known["builder"]), str(known["driver"]), str(known["note"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Missing or damaged: to try the builder again only costs time.
    return None


def remember_substitute(memory: Path, wanted: Builder, environment: Mapping[str, str], engine: Engine) -> None:
    """Record which builder is used instead of one that cannot boot, and under which circumstances."""
    known = asdict(safe(engine)) | {"at": time.time(), "circumstances": _circumstances(wanted, environment)}
    files.replace(memory, json.dumps(known, indent=2))


def _circumstances(wanted: Builder, environment: Mapping[str, str]) -> dict[str, str]:
    where = {name: environment.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    current = read_config(user_config_directory(environment) / "config.json").get("currentContext", "")
    # A digest, as an option may hold a secret, such as a proxy's password.
    described = hashlib.sha256(json.dumps(asdict(wanted), default=str, sort_keys=True).encode()).hexdigest()
    return where | {"context": str(current), "builder": described, "config": config_digest(wanted)}
