"""What differs between kinds of registry, as one protocol. `ecr` and `plain` implement it, `kinds` lists them.

A default is right for a registry that has the distribution API and no other. Methods without one are abstract.

Manifests and blobs are read and written through the distribution API (`client`), which all kinds share.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
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

    conceals: bool = True
    """Whether the registry may answer 401 or 403 for what does not exist, so that a refusal may mean "not found"."""

    creates_repositories: bool = False
    """Whether a repository must be created before the first push, which creates it in a plain registry."""

    no_push_time: str = "a plain registry does not say it"
    """Why a push time may be missing, for the user."""

    @abstractmethod
    def host(self) -> Registry:
        """Return the registry that images go to if no setting names one.

        Raises:
            SettingsError: this kind cannot find it.
        """

    @abstractmethod
    def log_in(self) -> None:
        """Fetch the login now if that takes a request, so that later requests need not wait for it."""

    @abstractmethod
    def credential(self, registry: Registry, /, *, fresh: bool = False) -> Credential | None:
        """Return the login to the registry that images go to; None for no login.

        `fresh` fetches another one, because the registry refused the last.
        """

    def create_repository(self, _repository: Repository, /) -> bool | RegistryError:
        """Create a repository if it does not exist.

        Returns:
            Whether it was created; or why this login may not create it. The latter decides nothing: the repository may
            exist, or the registry may create it at the first push.
        """
        return False

    def immutable(self, _tags: Iterable[Tag], /) -> set[Tag] | None:
        """Return those of the tags that cannot be moved once they exist; None if this login may not ask.

        In a plain registry, only the answer to a PUT shows that a tag cannot be moved.
        """
        return set()

    def pushed_at(self, _repository: Repository, _digest: Digest, /) -> datetime | None:
        """Return when an image was pushed; None if that is not known."""
        return None

    def expiry(self, _repository: Repository, _digest: Digest, _now: datetime, /) -> str:
        """Return what a lifecycle rule soon does to an image, for the user; empty for nothing."""
        return ""

    def explain_refusal(
        self, _repository: Repository, fault: RegistryError, _denied: RegistryError | None, /
    ) -> RegistryError:
        """Return the error to show for a refused push: the distribution API's `fault`, or one that says more.

        The last argument says why `create_repository` was not allowed, if it was not.
        """
        return fault

    def missing_right(self, _repository: Repository, _said: str, /) -> str:
        """Return the next step if BuildKit's output says that a right is missing; empty for other faults."""
        return ""


def load(kind: Kind, settings: Settings, environment: Mapping[str, str], keychain: Keychain) -> Backend:
    """Return the backend of a kind, whose module is imported only now."""
    module, _, name = kind.backend.partition(":")
    opened: Backend = getattr(importlib.import_module(module), name).open(settings, environment, keychain)
    return opened
