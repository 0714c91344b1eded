"""The user's own docker configuration, read only.

Where it is: docker's documentation, "Use the Docker CLI", "Configuration files". How its logins are named: the Docker
CLI's cli/config/credentials/file_store.go (a key is a host, or a URL of which the host counts) and
cli/config/configfile (what an entry may hold).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.errors import EngineError
from tasks.reference import DOCKER_HUB

HUB = "https://index.docker.io/v1/"
"""Docker's clients ask for the login of Docker Hub, and keep it, under this name."""

_HUB_HOSTS = frozenset({DOCKER_HUB, "docker.io", "index.docker.io"})


def user_config_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's docker configuration."""
    return Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "~").expanduser() / ".docker")


def read_config(path: Path) -> dict[str, Any]:
    """Return docker's config.json, or nothing where there is none or it cannot be read."""
    try:
        return checked_config(path)
    except EngineError:
        return {}


def checked_config(path: Path) -> dict[str, Any]:
    """Return docker's config.json, or nothing where there is none.

    Raises:
        EngineError: it is not a JSON object; docker goes on without its logins and contexts, and only warns. The text
            quotes nothing of the file, which may hold passwords.
    """
    try:
        config = json.loads(path.read_bytes())
        reason = "" if isinstance(config, dict) else "it is not a JSON object"
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except json.JSONDecodeError as fault:
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
    return dict(config)


def server_name(key: str) -> str:
    """Return the name by which docker's clients ask for the login that is kept under `key`: a host, or HUB."""
    host = key.partition("://")[2] if "://" in key else key
    host = host.partition("/")[0].lower()
    return HUB if host in _HUB_HOSTS else host


def helper_of(config: Mapping[str, Any], server: str) -> str | None:
    """Return the credential helper that has the login for a server, by its name; None for the file itself."""
    helpers = _table(config, "credHelpers")
    named = next((helpers[key] for key in _keys(helpers, server)), None) or config.get("credsStore")
    return named if isinstance(named, str) and named else None


def names_of(config: Mapping[str, Any], server: str) -> list[str]:
    """Return the names under which a credential helper may have the login for a server, likeliest first."""
    # Each login in a helper leaves an entry without a secret under the very name it was stored by.
    return list(dict.fromkeys([server, *_keys(_table(config, "auths"), server)]))


def login_of(config: Mapping[str, Any], server: str) -> tuple[str, str, str] | None:
    """Return the login that the file itself has for a server: user, password and identity token.

    Raises:
        ValueError: its entry is malformed. The text quotes nothing of it.
    """
    auths = _table(config, "auths")
    found: tuple[str, str, str] | None = None
    for key in _keys(auths, server):
        entry = auths[key]
        if not isinstance(entry, dict):
            raise ValueError(f"auths: {key}: it is not a JSON object")  # noqa: TRY004  # As above.
        user, password = _basic(entry, key)
        found = user, password, str(entry.get("identitytoken") or "")
        if found[2] or (user and password):
            return found
    return found


def helped(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the servers for which a configuration names credential helpers of their own."""
    return frozenset(map(server_name, _table(config, "credHelpers")))


def known(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the servers for which a configuration has a login or a helper of their own."""
    return frozenset(map(server_name, _table(config, "auths"))) | helped(config)


def _basic(entry: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Return an entry's user and password; `auth` holds both, and counts before them."""
    auth = entry.get("auth")
    if not auth:
        return str(entry.get("username") or ""), str(entry.get("password") or "")
    try:
        user, colon, password = base64.b64decode(str(auth), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise ValueError(f"auths: {key}: its auth is not the base64 of <user>:<password>")
    return user, password.strip("\0")


def _keys(table: Mapping[str, Any], server: str) -> Iterator[str]:
    """Yield the keys that stand for a server, the server's own name first."""
    if server in table:
        yield server
    yield from (key for key in table if key != server and server_name(key) == server)


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}
