"""`base=refresh`: lock each base image to the digest that its registry has today.

A reference without a digest moves under its name. The lock keeps what it was on, so that every machine builds from the
same base and a newer one is a change like any other, to be reviewed and committed.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.errors import RegistryError
from tasks.parallel import each
from tasks.reference import DOCKER_HUB, Registry, Repository, split_host
from tasks.registry.keychain import Keychain
from tasks.registry.oci import Client

_AT_ONCE = 8


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


def refresh(references: Iterable[str], keychain: Keychain) -> dict[str, str]:
    """Ask for each reference's digest, all at once; one that names its digest itself is left out.

    Raises:
        RegistryError: a registry gave no answer, or has no such image.
    """
    wanted = sorted({reference for reference in references if "@" not in reference})
    parsed = {reference: parse(reference) for reference in wanted}
    clients = {repository.registry: Client(repository.registry, keychain) for repository, _ in parsed.values()}

    def digest(reference: str) -> str:
        repository, tag = parsed[reference]
        try:
            found = clients[repository.registry].head(repository, tag)
        except RegistryError as error:
            raise RegistryError(f"the base image {reference}: {error.message}", error.next_step) from error
        if found is None:
            raise RegistryError(
                f"the base image {reference} is not in its registry", "see the FROM lines, and whether you may read it"
            )
        return str(found.digest)

    return dict(zip(wanted, each(digest, wanted, at_once=_AT_ONCE), strict=True))
