"""The user's own docker configuration, read only.

Where it is: docker's documentation, "Use the Docker CLI", "Configuration files".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.errors import EngineError


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


def check_config(path: Path) -> None:
    """Return where docker's config.json is a JSON object, or is not there.

    Raises:
        EngineError: it cannot be read as one; docker goes on without its logins and contexts, and only warns.
    """
    try:
        whole = isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
        reason = "" if whole else "it is not a JSON object"
    except (FileNotFoundError, NotADirectoryError):
        return
    except json.JSONDecodeError as fault:
        # Not its text, which could quote a password.
        reason = f"line {fault.lineno}, column {fault.colno} is not JSON"
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
    except (RecursionError, ValueError):
        reason = "it is not JSON in UTF-8"
    if reason:
        raise EngineError(
            f"Docker's configuration {path} cannot be used: {reason}",
            f"fix it (`python3 -m json.tool {path}` shows the place), or move it away and log in again",
        )


def helped(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts for which a configuration names credential helpers of their own."""
    return _names(config.get("credHelpers"))


def known(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the hosts for which a configuration has a login or a helper of their own."""
    return _names(config.get("auths")) | helped(config)


def _names(found: object) -> frozenset[str]:
    return frozenset(found) if isinstance(found, dict) else frozenset()
