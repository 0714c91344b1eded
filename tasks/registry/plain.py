"""A registry that has the distribution API and no other: Docker Hub, Harbor, GitLab, `registry:2`.

The user's own Docker login is used, the first push creates a repository, and the registry itself refuses what it does
not allow.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.configuration.settings import Settings
from tasks.errors import SettingsError
from tasks.reference import Registry
from tasks.registry.backend import Backend
from tasks.registry.credentials import Credential, Keychain


class Plain(Backend):
    """The backend of a plain registry: that of `tasks.registry.backend.Backend`, with the user's Docker logins."""

    def __init__(self, keychain: Keychain) -> None:
        self._keychain = keychain

    @classmethod
    def open(cls, _settings: Settings, _environment: Mapping[str, str], keychain: Keychain) -> Plain:
        """Return the backend for a run."""
        return cls(keychain)

    def host(self) -> Registry:
        """Raise SettingsError: the host must be set."""
        raise SettingsError("DOCKER_REGISTRY is not set", "set DOCKER_REGISTRY to the registry's host")

    def log_in(self) -> None:
        """Do nothing: finding the user's login takes no request."""

    def credential(self, registry: Registry, *, fresh: bool = False) -> Credential | None:
        """Return the user's Docker login."""
        return self._keychain(registry, fresh)
