"""What is remembered of a builder that could not boot, so that not every run tries it again: it costs seconds."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tasks.engine import made
from tasks.engine.buildx import Engine
from tasks.engine.docker_config import read_config, user_config_directory
from tasks.model import Builder
from tasks.system import files
from tasks.system.secrets import safe

MEMORY_SECONDS = 24 * 3600
"""How long it is remembered."""


def remembered(memory: Path, wanted: Builder, environment: Mapping[str, str]) -> Engine | None:
    """Return what stood in for the builder when it was last tried and could not boot."""
    try:
        known = json.loads(memory.read_text())
        young = 0 <= time.time() - float(known["at"]) < MEMORY_SECONDS
        if young and known["circumstances"] == _circumstances(wanted, environment):
            return Engine(str(known["builder"]), str(known["driver"]), str(known["note"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Forgotten or damaged: the builder is tried again, which costs only time.
    return None


def remember(memory: Path, wanted: Builder, environment: Mapping[str, str], engine: Engine) -> None:
    """Remember what stands in for the builder, and under which circumstances."""
    known = asdict(safe(engine)) | {"at": time.time(), "circumstances": _circumstances(wanted, environment)}
    files.replace(memory, json.dumps(known, indent=2))


def _circumstances(wanted: Builder, environment: Mapping[str, str]) -> dict[str, str]:
    where = {name: environment.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    current = read_config(user_config_directory(environment) / "config.json").get("currentContext", "")
    # An option may hold a secret, such as a proxy's password: its digest tells a change as well.
    described = hashlib.sha256(json.dumps(asdict(wanted), default=str, sort_keys=True).encode()).hexdigest()
    return where | {"context": str(current), "builder": described, "config": made.config_digest(wanted)}
