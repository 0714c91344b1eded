"""The kinds of registry, one row each: how a host of that kind is recognized, and where its API is implemented.

A new kind is a row here and a module with a class on top of `tasks.registry.backend.Backend`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tasks.reference import Registry


@dataclass(frozen=True)
class Kind:
    """A kind of registry.

    Attributes:
        name: the value of the setting REGISTRY that selects it.
        backend: the class that implements it, as `module:class`.
        is_host: whether a host is known to be of this kind by its name alone.
        is_target: whether REGISTRY=auto selects this kind. Gets the host that images go to (None if no setting names
            one) and the URL of the AWS endpoint (None for AWS's own).
        meaning: what registries it is for, if the name does not say it.
        names_host: whether the backend can find the host if no setting names one.
        challenge: `basic` if its hosts always ask for a password; saves the request that would ask for the scheme.
        puts_per_second: how many manifests a second it accepts from us; 0 for no limit.
        how_to_log_in: the next step of a user without a login, with `{registry}` in it.
    """

    name: str
    backend: str
    is_host: Callable[[Registry], bool]
    is_target: Callable[[Registry | None, str | None], bool]
    meaning: str = ""
    names_host: bool = False
    challenge: str = ""
    puts_per_second: int = 0
    how_to_log_in: str = "run: docker login {registry}"


def _is_ecr_host(registry: Registry) -> bool:
    return registry.ecr_account_and_region is not None


def _is_ecr_target(registry: Registry | None, endpoint: str | None) -> bool:
    """Whether the registry gets the AWS login. A registry of another kind must never get it.

    A stand-in for AWS serves its registry on this machine or on its own host
    (`…ecr.eu-west-2.localhost.localstack.cloud:4566`).
    """
    if registry is None or _is_ecr_host(registry):
        return True
    host = urlsplit(endpoint).hostname if endpoint else None
    if host is None:
        return False
    name = registry.host.rpartition(":")[0] or registry.host
    return registry.loopback or name == host or name.endswith(f".{host}")


ECR = Kind(
    "ecr",
    "tasks.registry.ecr:Ecr",
    _is_ecr_host,
    _is_ecr_target,
    names_host=True,
    challenge="basic",
    # ECR accepts 10 PutImage calls a second for each account and Region ("Amazon ECR service quotas"). With two pushes
    # at the same moment, 8 keep below that.
    puts_per_second=8,
    how_to_log_in="set AWS credentials that may call ecr:GetAuthorizationToken and use this registry, and REGISTRY=ecr",
)

PLAIN = Kind(
    "oci",
    "tasks.registry.plain:Plain",
    lambda _: True,
    lambda _registry, _endpoint: True,
    meaning="a plain registry",
)
"""Any other registry: it has the distribution API and nothing else that we use."""

_ROWS = (ECR, PLAIN)
"""In the order in which they are tried; the last one takes every registry."""

KINDS = {kind.name: kind for kind in _ROWS}

NAMES = ", ".join(f"`{kind.name}`" + (f" for {kind.meaning}" if kind.meaning else "") for kind in _ROWS)
"""Every kind and what it is for, for the documentation."""


def of_host(registry: Registry) -> Kind:
    """Return the kind that a host is known to be, whether images go there or not."""
    return next(kind for kind in _ROWS if kind.is_host(registry))


def of_target(registry: Registry | None, endpoint: str | None) -> Kind:
    """Return the kind of the registry that images go to, for REGISTRY=auto; the arguments are Kind.is_target's."""
    return next(kind for kind in _ROWS if kind.is_target(registry, endpoint))
