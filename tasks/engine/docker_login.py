"""The logins that Docker's own commands would use: its configuration's, and those of the credential helpers it names.

A helper is a program that the user chose (ecr-login, pass, a keychain). It is asked here and not by docker-py, so that
it ends when the run does, and one that hangs is an error. Protocol: github.com/docker/docker-credential-helpers,
README, "Development".
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from tasks import run
from tasks.engine.docker_config import check_config, user_config_directory
from tasks.errors import CommandError, CredentialsError, EngineError
from tasks.reference import DOCKER_HUB, Registry
from tasks.registry.keychain import IDENTITY_TOKEN_USER, Credential, how_to_log_in
from tasks.registry.message import clean

HELPER_SECONDS = 60.0
"""How long a credential helper may take; one may have to ask its user for a password."""

NOT_FOUND = "credentials not found in native keychain"
"""What a helper says that has none (docker-credential-helpers, credentials/error.go)."""

_DOCKER_HUB = {"index.docker.io", DOCKER_HUB}
_DOCKER_HUB_IN_STORES = "https://index.docker.io/v1/"
"""Docker keeps the login for Docker Hub under names of their own."""


def docker_credential(registry: Registry, fresh: bool = False) -> Credential | None:  # noqa: ARG001, FBT001, FBT002  # A Keychain.
    """Find the credential that Docker's own commands would use for a registry.

    Args:
        registry: the registry.
        fresh: makes no difference: Docker's configuration and its helpers are asked each time.

    Returns:
        The user and password, or IDENTITY_TOKEN_USER and the token; None where Docker has none.

    Raises:
        CredentialsError: the configuration or a credential helper is at fault.
    """
    import docker.auth  # noqa: PLC0415  # Slow, and only plain registries need it.
    import docker.errors  # noqa: PLC0415  # As above.

    host = "docker.io" if registry.host in _DOCKER_HUB else registry.host
    try:
        check_config(user_config_directory(os.environ) / "config.json")
        config = docker.auth.load_config()
        store = config.get_credential_store(host)
        found = _ask(store, _DOCKER_HUB_IN_STORES if host == "docker.io" else host) if store else None
        return found or _from_docker(docker.auth.AuthConfig({"auths": config.auths}).resolve_authconfig(host))
    except EngineError as error:
        raise CredentialsError(error.message, error.next_step) from None
    except CommandError as error:
        raise _unusable(registry, error.message) from None
    except (docker.errors.DockerException, AttributeError, KeyError, RecursionError, TypeError, ValueError) as fault:
        raise _unusable(registry, f"{type(fault).__name__}: {clean(str(fault))}") from None


def _ask(store: str, server: str) -> Credential | None:
    """Return what a credential helper has for a server.

    Raises:
        CommandError: there is no such program, it hangs, or it says that something is wrong.
        ValueError: what it says is no answer.
    """
    program = f"docker-credential-{store}"
    done = run.run([program, "get"], stdin=server, timeout=HELPER_SECONDS)
    if done.code != 0:
        if NOT_FOUND in done.output:
            return None
        raise CommandError(f"{program} failed with exit code {done.code}: {clean(done.output or done.errors)}")
    answer = json.loads(done.output)
    user, secret = (answer.get(key) for key in ("Username", "Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        raise ValueError(f"{program} gave no user and password")  # noqa: TRY004  # Of its text, not of our argument.
    return _credential(user, secret)


def _from_docker(entry: Mapping[str, Any] | None) -> Credential | None:
    found = {str(key).lower(): value for key, value in (entry or {}).items()}
    if found.get("identitytoken"):
        return _credential(IDENTITY_TOKEN_USER, str(found["identitytoken"]))
    return _credential(str(found.get("username") or ""), str(found.get("password") or ""))


def _credential(user: str, secret: str) -> Credential | None:
    """Return a credential; None for half of one, ValueError for what cannot be sent."""
    f"{user}{secret}".encode()
    return Credential(user, secret) if user and secret else None


def _unusable(registry: Registry, reason: str) -> CredentialsError:
    return CredentialsError(
        f"Docker's configuration has no usable login for {registry} ({reason})",
        f"see config.json in DOCKER_CONFIG or ~/.docker, and the helpers that it names; {how_to_log_in(registry)}",
    )
