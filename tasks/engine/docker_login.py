"""The logins that Docker's own commands would use: its configuration's, and those of the credential helpers it names.

A helper is a program that the user chose (ecr-login, pass, a keychain). It ends when the run does, and one that hangs
is an error. Protocol: github.com/docker/docker-credential-helpers, README, "Development".
"""

from __future__ import annotations

import json
import os

from tasks.engine.docker_config import checked_config, helper_of, login_of, names_of, server_name, user_config_directory
from tasks.errors import CommandError, CredentialsError, EngineError
from tasks.reference import Registry
from tasks.registry.credentials import IDENTITY_TOKEN_USER, Credential, how_to_log_in
from tasks.registry.message import clean
from tasks.system import run

HELPER_SECONDS = 60.0
"""How long a credential helper may take; one may have to ask its user for a password."""

NOT_FOUND = "credentials not found in native keychain"
"""What a helper says that has none (docker-credential-helpers, credentials/error.go)."""


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
    server = server_name(registry.host)
    try:
        config = checked_config(user_config_directory(os.environ) / "config.json")
        store = helper_of(config, server)
        for name in names_of(config, server):
            if store and (found := _ask(store, name)) is not None:
                return found
        user, password, token = login_of(config, server) or ("", "", "")
        return _credential(IDENTITY_TOKEN_USER, token) or _credential(user, password)
    except EngineError as error:
        raise CredentialsError(error.message, error.next_step) from None
    except CommandError as error:
        raise _unusable(registry, error.message) from None
    except UnicodeError:
        raise _unusable(registry, "a user or password that is not text") from None
    except ValueError as fault:
        raise _unusable(registry, clean(str(fault))) from None


def _ask(store: str, server: str) -> Credential | None:
    """Return what a credential helper has for a server.

    Raises:
        CommandError: there is no such program, it hangs, it says that something is wrong, or its answer is none.
    """
    program = f"docker-credential-{store}"
    done = run.run([program, "get"], stdin=server, timeout=HELPER_SECONDS)
    if done.code != 0:
        if NOT_FOUND in done.output:
            return None
        raise CommandError(f"{program} failed with exit code {done.code}: {clean(done.output or done.errors)}")
    try:
        answer = json.loads(done.output)
    except (RecursionError, ValueError):
        raise CommandError(f"{program} gave an answer that is not JSON") from None
    user, secret = (answer.get(key) for key in ("Username", "Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str):
        raise CommandError(f"{program} gave no user and password")
    return _credential(user, secret)


def _credential(user: str, secret: str) -> Credential | None:
    """Return a credential; None for half of one, ValueError for what cannot be sent."""
    f"{user}{secret}".encode()
    return Credential(user, secret) if user and secret else None


def _unusable(registry: Registry, reason: str) -> CredentialsError:
    return CredentialsError(
        f"Docker's configuration has no usable login for {registry} ({reason})",
        f"see config.json in DOCKER_CONFIG or ~/.docker, and the helpers that it names; {how_to_log_in(registry)}",
    )
