"""What differs between kinds of registry, as one protocol. `ecr` and `plain` implement it, `kinds` lists them.

Manifests and blobs are read and written through the distribution API (`client`), which all kinds share.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from tasks.configuration.settings import Settings
from tasks.errors import RegistryError
from tasks.reference import Digest, Registry, Repository, Tag
from tasks.registry.credentials import Credential, Keychain
from tasks.registry.kinds import Kind


class Backend(Protocol):
    """One kind of registry. Threads may share it; nothing is asked before it is needed.

    Every method may raise CredentialsError (the login is missing or refused) and RegistryError (no usable answer).
    """

    conceals: bool
    """Whether the registry may answer 401 or 403 for what does not exist, so that a refusal may mean "not found"."""

    creates_repositories: bool
    """Whether a repository must be created before the first push."""

    no_push_time: str
    """Why a push time may be missing, for the user."""

    def host(self) -> Registry:
        """Return the registry that images go to if no setting names one.

        Raises:
            SettingsError: this kind cannot find it.
        """

    def log_in(self) -> None:
        """Fetch the login now if that takes a request, so that later requests need not wait for it."""

    def credential(self, registry: Registry, /, *, fresh: bool = False) -> Credential | None:
        """Return the login to the registry that images go to; None for no login.

        `fresh` fetches another one, because the registry refused the last.
        """

    def create_repository(self, repository: Repository, /) -> bool | RegistryError:
        """Create a repository if it does not exist.

        Returns:
            Whether it was created; or why this login may not create it. The latter decides nothing: the repository may
            exist, or the registry may create it at the first push.
        """

    def immutable(self, tags: Iterable[Tag], /) -> set[Tag] | None:
        """Return those of `tags` that cannot be moved once they exist; None if this login may not ask."""

    def pushed_at(self, repository: Repository, digest: Digest, /) -> datetime | None:
        """Return when an image was pushed; None if that is not known."""

    def expiry(self, repository: Repository, digest: Digest, now: datetime, /) -> str:
        """Return what a lifecycle rule soon does to an image, for the user; empty for nothing."""

    def explain_refusal(
        self, repository: Repository, fault: RegistryError, denied: RegistryError | None, /
    ) -> RegistryError:
        """Return the error to show for a refused push: the distribution API's `fault`, or one that says more.

        `denied` says why `create_repository` was not allowed, if it was not.
        """

    def missing_right(self, repository: Repository, said: str, /) -> str:
        """Return the next step if BuildKit's output says that a right is missing; empty for other faults."""


def load(kind: Kind, settings: Settings, environment: Mapping[str, str], keychain: Keychain) -> Backend:
    """Return the backend of a kind, whose module is imported only now."""
    module, _, name = kind.backend.partition(":")
    opened: Backend = getattr(importlib.import_module(module), name).open(settings, environment, keychain)
    return opened
