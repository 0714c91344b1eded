"""The user's own docker configuration, read only.

Where it is: docker's documentation, "Use the Docker CLI", "Configuration files".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def user_config_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's docker configuration."""
    return Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "~").expanduser() / ".docker")


def read_config(path: Path) -> dict[str, Any]:
    """Return docker's config.json, or nothing where there is none or it is no JSON object; docker says so itself."""
    try:
        config = json.loads(path.read_text())
    except (OSError, RecursionError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def helped(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts for which a configuration names credential helpers of their own."""
    return _names(config.get("credHelpers"))


def known(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts for which a configuration has a login or a helper of their own."""
    return _names(config.get("auths")) | helped(config)


def _names(found: object) -> frozenset[str]:
    return frozenset(found) if isinstance(found, dict) else frozenset()
