"""Base images that nothing locks yet: what their registries have today, and which are only in this machine's engine.

`base=refresh` locks each base image to the digest that its registry has. A reference without a digest moves under its
name; with the lock every machine builds from the same base, and a newer one is a change to review and commit.

An image that was built on this machine and never pushed cannot be locked: no other machine can get it by a digest. It
must not be pulled either, so a build that looks for newer bases has to know of it. It is told by what its registry and
the engine say: an engine with containerd's image store does not know what it has built from what it has pulled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import RegistryError, SleeperImagesError
from tasks.image.fingerprint import Inputs
from tasks.reference import DOCKER_HUB, Registry, Repository, split_host
from tasks.registry.credentials import Credential, Keychain
from tasks.system.parallel import each

if TYPE_CHECKING:  # The client is imported where something is asked; a session imports this module where it needs it.
    from tasks.registry.client import Client
    from tasks.session import Session

_AT_ONCE = 8

_NOT_SHOWN = {0, 401, 403}
"""How registries fail that are not there, and that do not say whether there is such an image; Docker Hub, for one."""

Held = Callable[[str], tuple[str, ...] | None]
"""Returns the names by digest (`host/name@sha256:…`) that the engine knows an image by; None where it has none."""


@dataclass(frozen=True)
class Refreshed:
    """What became of references.

    Attributes:
        locked: by reference, the digest that its registry has.
        only_here: those that only this machine's engine has.
    """

    locked: Mapping[str, str]
    only_here: tuple[str, ...] = ()


def or_users_own(credential: Keychain) -> Keychain:
    """Return a keychain that has the user's own logins where nothing says where images go: bases are read then, too."""

    def found(registry: Registry, fresh: bool) -> Credential | None:  # noqa: FBT001  # A Keychain.
        from tasks.engine.credentials import docker_credential  # noqa: PLC0415  # Slow to import.

        try:
            return credential(registry, fresh)
        except SleeperImagesError:
            return docker_credential(registry)

    return found


def pulls(session: Session, inputs: Inputs) -> tuple[bool, str]:
    """Return whether a build looks for newer bases, and what people should know of that, or nothing.

    It does where it is to fetch everything anew: it is forced, or the image has a `revision`. The engine's own builder
    would else take what the engine holds under a base's name, however old that is.
    """
    if not (session.settings.force or inputs.revision):
        return False, ""
    # Builders of other drivers do not see the engine's images.
    here = session.bases.only_here(inputs.unpinned) if session.engine.driver == "docker" else ()
    told = f"{', '.join(here)} was taken from this machine's engine, as its registry did not give it" if here else ""
    return not here, told


class Bases:
    """Asks where base images are. Threads may share it.

    Args:
        keychain: what to log in with.
        held: asks the engine.
        locked: references that were locked before, and so were in a registry.
    """

    def __init__(self, keychain: Keychain, held: Held, locked: Collection[str] = ()) -> None:
        self._keychain = keychain
        self._held = held
        self._locked = frozenset(locked)
        self._lock = threading.RLock()
        self._clients: dict[Registry, Client] = {}
        self._known: dict[str, str | None] = {}

    def refresh(self, references: Iterable[str]) -> Refreshed:
        """Ask for each reference's digest, all at once; one that names its digest itself is left out.

        Raises:
            RegistryError: a registry gave no answer, or has no such image, and neither has the engine.
        """
        wanted = sorted({reference for reference in references if "@" not in reference})
        found = dict(zip(wanted, each(self._digest, wanted, at_once=_AT_ONCE), strict=True))
        locked = {reference: digest for reference, digest in found.items() if digest is not None}
        return Refreshed(locked, tuple(reference for reference in wanted if found[reference] is None))

    def only_here(self, references: Iterable[str]) -> tuple[str, ...]:
        """Return those that only this machine's engine has."""
        with self._lock:
            for reference in references:
                if reference not in self._known:
                    self._known[reference] = self._digest_or_nothing(reference)
            return tuple(reference for reference in references if self._known[reference] is None)

    def _client(self, registry: Registry) -> Client:
        from tasks.registry.client import Client  # noqa: PLC0415  # Slow to import.

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
            return ""  # The build says it.

    def _digest(self, reference: str) -> str | None:
        """Return what its registry has; None where only the engine has it."""
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


def parse(reference: str) -> tuple[Repository, str]:
    """Return the repository and the tag that a FROM line's reference means, as Docker reads it.

    Without a host it is Docker Hub's.

    Raises:
        SettingsError: it is no reference.
    """
    host, name = split_host(reference)
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    if host is None or host == "docker.io":
        host, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
    return Repository(Registry(host), path), tag
