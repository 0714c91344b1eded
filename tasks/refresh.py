"""Base images: where they are, what they are locked to, and which exist only in the local engine.

`base=refresh` locks each base image to the digest that its registry has. A reference without a digest can change under
the same name; with the lock every machine builds from the same base, and a newer one is a change to review and commit.

An image that was built on this machine and never pushed cannot be locked: no other machine can get it by its digest. A
build that looks for newer bases must not pull it either, so it has to know such an image. Its registry and the engine
tell: an engine with containerd's image store does not distinguish what it built from what it pulled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tasks.configuration import bases as bases_lock
from tasks.configuration.catalogue import lock_path
from tasks.configuration.settings import Settings
from tasks.errors import RegistryError, SleeperImagesError
from tasks.image.collect import Collector
from tasks.image.fingerprint import Inputs
from tasks.image.jar.cache import Digests
from tasks.model import Catalogue, Image
from tasks.reference import DOCKER_HUB, Registry, Repository, split_host
from tasks.registry.client import Client
from tasks.registry.credentials import Credential, Keychain
from tasks.system.parallel import each

_AT_ONCE = 8

_NOT_SHOWN = {0, 401, 403}
"""How a registry fails that does not exist, or that does not say whether it has an image (Docker Hub, for one)."""

Held = Callable[[str], tuple[str, ...] | None]
"""Returns the names by digest (`host/name@sha256:…`) that the engine has for an image; None if it has no image."""


@dataclass(frozen=True)
class Refreshed:
    """What became of references.

    Attributes:
        locked: by reference, the digest that its registry has.
        only_here: the references that only the local engine has.
    """

    locked: Mapping[str, str]
    only_here: tuple[str, ...] = ()


def or_users_own(credential: Keychain, users_own: Keychain) -> Keychain:
    """Return a keychain that uses the user's own logins where no target is set: bases are read without one, too."""

    def found(registry: Registry, fresh: bool) -> Credential | None:  # noqa: FBT001  # A Keychain.
        try:
            return credential(registry, fresh)
        except SleeperImagesError:
            return users_own(registry, fresh)

    return found


class Bases:
    """The base images of a run. Threads may share it.

    `held` asks the engine; `locked` is what the catalogue's lock has: by reference, the digest.
    """

    def __init__(self, keychain: Keychain, held: Held, locked: Mapping[str, str] = MappingProxyType({})) -> None:
        self._keychain = keychain
        self._held = held
        self._locked = dict(locked)
        self._lock = threading.RLock()
        self._clients: dict[Registry, Client] = {}
        self._known: dict[str, str | None] = {}

    @property
    def locked(self) -> Mapping[str, str]:
        """By reference, the digest that it is locked to; a view that shows what `lock` changes."""
        return MappingProxyType(self._locked)

    def lock(self, locked: Mapping[str, str]) -> None:
        """Replace what is locked."""
        self._locked.clear()
        self._locked.update(locked)

    def refresh(self, references: Iterable[str]) -> Refreshed:
        """Ask for each reference's digest, all at once, except those that name their digest.

        Raises:
            RegistryError: a registry did not answer, or has no such image, and neither has the engine.
        """
        wanted = sorted({reference for reference in references if "@" not in reference})
        found = dict(zip(wanted, each(self._digest, wanted, at_once=_AT_ONCE), strict=True))
        locked = {reference: digest for reference, digest in found.items() if digest is not None}
        return Refreshed(locked, tuple(reference for reference in wanted if found[reference] is None))

    def pull(self, inputs: Inputs, *, force: bool, in_engine: bool) -> tuple[bool, str]:
        """Return whether a build looks for newer bases, and what people should know about that, or nothing.

        It does if it is forced, or if the image has a `revision`. The engine's own
        builder would otherwise use what the engine has under a base's name, however old that is.

        Args:
            inputs: what is built.
            force: whether the build is forced.
            in_engine: whether the builder sees the engine's images; only the driver `docker` does.
        """
        if not (force or inputs.revision):
            return False, ""
        here = self.only_here(inputs.unpinned) if in_engine else ()
        note = f"{', '.join(here)}: taken from the local engine, its registry did not provide it" if here else ""
        return not here, note

    def only_here(self, references: Collection[str]) -> tuple[str, ...]:
        """Return the references that only the local engine has."""
        with self._lock:
            for reference in references:
                if reference not in self._known:
                    self._known[reference] = self._digest_or_nothing(reference)
            return tuple(reference for reference in references if self._known[reference] is None)

    def _client(self, registry: Registry) -> Client:
        with self._lock:
            if registry not in self._clients:
                self._clients[registry] = Client(registry, self._keychain)
            return self._clients[registry]

    def _digest_or_nothing(self, reference: str) -> str | None:
        held = self._held(reference)
        if held == ():
            return None  # Never pulled and never pushed: no registry needs to be asked.
        try:
            return "" if held is None else self._digest(reference)
        except RegistryError:
            return ""  # The build meets the same fault and reports it.

    def _digest(self, reference: str) -> str | None:
        """Return what its registry has; None if only the engine has the image."""
        repository, tag = parse(reference)
        fault: RegistryError | None = None
        try:
            found = self._client(repository.registry).head(repository, tag)
        except RegistryError as error:
            found, fault = None, error
        if found is not None:
            return str(found.digest)
        held = None if reference in self._locked else self._held(reference)
        if held is not None and (not held or fault is None or fault.status in _NOT_SHOWN):
            return None
        if fault is not None:
            raise RegistryError(f"the base image {reference}: {fault.message}", fault.next_step) from fault
        raise RegistryError(
            f"the base image {reference} is not in its registry", "check the FROM lines, and that you may read it"
        )


def refresh(bases: Bases, catalogue: Catalogue, selected: tuple[Image, ...], settings: Settings) -> Refreshed:
    """Lock the base images of the selected images to their digests of today, and write the catalogue's lock.

    The locks of images that are not selected stay.

    Raises:
        SleeperImagesError: a Dockerfile cannot be read, a registry did not say a digest, or the lock cannot be written.
    """
    found = bases.refresh(Collector(settings, {}, Digests(None)).bases(selected))
    kept = {} if selected == catalogue.images else bases.locked
    bases.lock({**kept, **found.locked})
    bases_lock.write(lock_path(catalogue.path), bases.locked)
    return found


def parse(reference: str) -> tuple[Repository, str]:
    """Return the repository and the tag of a FROM line's reference, as Docker reads it: Docker Hub's without a host.

    Raises:
        SettingsError: it is not a reference.
    """
    host, name = split_host(reference)
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    if host is None or host == "docker.io":
        host, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
    return Repository(Registry(host), path), tag
