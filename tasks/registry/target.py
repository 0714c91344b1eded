"""The registry that a run pushes to: its host, its backend, one client, and the names of the repositories in it.

Everything is found or made when it is first needed, once for all threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.configuration.settings import Settings
from tasks.model import Image
from tasks.reference import Registry, Repository, Tag
from tasks.registry import backend, kinds
from tasks.registry.client import Client
from tasks.registry.credentials import Credential, Keychain
from tasks.system.backoff import Pace
from tasks.system.parallel import locked_property

PUTS_AT_ONCE = 2
"""How many manifests may be PUT at the same moment; with the rate of a kind, no second exceeds what a host accepts."""


class Target:
    """Where images go. Threads may share it.

    Args:
        settings: REGISTRY, DOCKER_REGISTRY, REPO_PREFIX, INSTANCE_ID, ACCOUNT, REGION and PUTS_PER_SECOND are used.
        environment: the user's variables.
        keychain: finds the user's own Docker logins.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str], keychain: Keychain) -> None:
        self._settings, self._environment, self._keychain = settings, environment, keychain

    @locked_property
    def backend(self) -> backend.Backend:
        """What this kind of registry does besides the distribution API."""
        return backend.load(self._kind, self._settings, self._environment, self._keychain)

    @property
    def _kind(self) -> kinds.Kind:
        return kinds.KINDS[self._settings.registry_kind]

    @locked_property
    def registry(self) -> Registry:
        """The host; SettingsError if no setting names it and the backend cannot find it."""
        return self._settings.registry_host or self.backend.host()

    @property
    def path(self) -> str:
        """What comes before `/<image>` in the name of every repository; SettingsError if it is not set."""
        return self._settings.require_repository_prefix()

    @property
    def prefix(self) -> str:
        """What comes before `/<image>` in every repository, with the registry."""
        path = self.path
        return f"{self.registry}/{path}"

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""
        path = self.path
        return Repository(self.registry, f"{path}/{image.name}")

    def credential(self, registry: Registry, fresh: bool = False) -> Credential | None:  # noqa: FBT001, FBT002  # A Keychain.
        """Return the login to this registry or another one."""
        if registry == self.registry:
            return self.backend.credential(registry, fresh=fresh)
        return self._keychain(registry, fresh)

    def log_in(self) -> None:
        """Fetch the login if that takes a request.

        Raises:
            SettingsError: no setting says where images go.
            CredentialsError: the login is missing or refused.
            RegistryError: no usable answer.
        """
        _ = self.prefix
        self.backend.log_in()

    def renew_login(self, refused: Credential | None) -> None:
        """Fetch another login than the one that the registry refused, unless another thread has done so."""
        if self.credential(self.registry) == refused:
            self.credential(self.registry, fresh=True)

    @locked_property
    def client(self) -> Client:
        """The client of the distribution API."""
        return Client(self.registry, self.credential, puts=self.pace, conceals=self.backend.conceals)

    @locked_property
    def pace(self) -> Pace | None:
        """How fast manifests may be PUT, by us and by BuildKit; None for no limit."""
        # Of the host, too: with REGISTRY=oci an ECR host still has ECR's quota.
        of_host = kinds.of_host(self.registry)
        rate = self._settings.puts_per_second or self._kind.puts_per_second or of_host.puts_per_second
        return Pace(rate, PUTS_AT_ONCE) if rate else None

    def immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        """Return those of `tags` that are known to be immutable, once they exist."""
        return self.backend.immutable(tags) or set()

    def perhaps_immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        """Return those of `tags` that are immutable, or all of them if the login may not ask."""
        asked = list(tags)
        found = self.backend.immutable(asked) if asked else set()
        return set(asked) if found is None else found
