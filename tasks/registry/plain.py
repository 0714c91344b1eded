"""A registry that has the distribution API and no other: Docker Hub, Harbor, GitLab, `registry:2`.

The user's own Docker login is used, the first push creates a repository, and the registry itself refuses what it does
not allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from tasks.configuration.settings import Settings
from tasks.errors import RegistryError, SettingsError
from tasks.reference import Digest, Registry, Repository, Tag
from tasks.registry.credentials import Credential, Keychain


class Plain:
    """The backend of a plain registry; `tasks.registry.backend.Backend` says what each method is for."""

    conceals = True
    creates_repositories = False
    no_push_time = "a plain registry does not say it"

    def __init__(self, keychain: Keychain) -> None:
        self._keychain = keychain

    @classmethod
    def open(cls, _settings: Settings, _environment: Mapping[str, str], keychain: Keychain) -> Plain:
        """Return the backend for a run, which logs in with the user's Docker logins."""
        return cls(keychain)

    def host(self) -> Registry:
        """Raise SettingsError: the host must be set."""
        raise SettingsError("DOCKER_REGISTRY is not set", "set DOCKER_REGISTRY to the registry's host")

    def log_in(self) -> None:
        """Do nothing: finding the user's login takes no request."""

    def credential(self, registry: Registry, *, fresh: bool = False) -> Credential | None:
        """Return the user's Docker login."""
        return self._keychain(registry, fresh)

    def create_repository(self, _repository: Repository) -> bool:
        """Return False: the first push creates the repository."""
        return False

    def immutable(self, _tags: Iterable[Tag]) -> set[Tag]:
        """Return no tags: only the answer to a PUT shows that a tag cannot be moved."""
        return set()

    def pushed_at(self, _repository: Repository, _digest: Digest) -> datetime | None:
        """Return None: the distribution API has no push time."""
        return None

    def expiry(self, _repository: Repository, _digest: Digest, _now: datetime) -> str:
        """Return nothing: the distribution API has no lifecycle rules."""
        return ""

    def explain_refusal(
        self, _repository: Repository, fault: RegistryError, _denied: RegistryError | None
    ) -> RegistryError:
        """Return the fault as it is."""
        return fault

    def missing_right(self, _repository: Repository, _said: str) -> str:
        """Return nothing: the rights of a plain registry are not known."""
        return ""
