"""The user's own Docker configuration, read only: where it is, and which logins and credential helpers it names.

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
from tasks.reference import DOCKER_HUB, DOCKER_HUB_LOGIN, DOCKER_HUB_NAMES


def user_config_directory(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's Docker configuration."""
    return Path(environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "~").expanduser() / ".docker")


def read_config(path: Path) -> dict[str, Any]:
    """Return Docker's config.json; empty if it is missing or cannot be read."""
    try:
        return checked_config(path)
    except EngineError:
        return {}


def checked_config(path: Path) -> dict[str, Any]:
    """Return Docker's config.json; empty if it is missing.

    Raises:
        EngineError: it is not a JSON object; docker only warns and ignores its logins and contexts. The message quotes
            nothing of the file, which may hold passwords.
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
            f"fix it (`python3 -m json.tool {path}` shows the line), or move it away and log in again",
        )
    return dict(config)


def server_name(key: str) -> str:
    """Return the server whose login is stored under `key`: a host, or DOCKER_HUB_LOGIN."""
    host = key.partition("://")[2] if "://" in key else key
    host = host.partition("/")[0].lower()
    return DOCKER_HUB_LOGIN if host in {DOCKER_HUB, *DOCKER_HUB_NAMES} else host


def helper_of(config: Mapping[str, Any], server: str) -> str | None:
    """Return the name of the credential helper for a server; None if the file itself may have the login."""
    helpers = _table(config, "credHelpers")
    named = next((helpers[key] for key in _keys(helpers, server)), None) or config.get("credsStore")
    return named if isinstance(named, str) and named else None


def names_of(config: Mapping[str, Any], server: str) -> list[str]:
    """Return the names under which a credential helper may have the login of a server, the likeliest first."""
    # For each login in a helper, docker keeps an entry without a secret under the same name.
    return list(dict.fromkeys([server, *_keys(_table(config, "auths"), server)]))


def login_of(config: Mapping[str, Any], server: str) -> tuple[str, str, str] | None:
    """Return the login of a server in the file itself: user, password and identity token.

    Raises:
        ValueError: the entry is malformed. The message quotes nothing of it.
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
    """Return the servers with a credential helper of their own."""
    return frozenset(map(server_name, _table(config, "credHelpers")))


def known(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the servers with a login or a credential helper of their own."""
    return frozenset(map(server_name, _table(config, "auths"))) | helped(config)


def _basic(entry: Mapping[str, Any], key: str) -> tuple[str, str]:
    """Return the user and password of an entry; `auth` has both, and has precedence."""
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
    """Yield the keys of a server, its own name first."""
    if server in table:
        yield server
    yield from (key for key in table if key != server and server_name(key) == server)


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}
