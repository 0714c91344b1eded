"""Where a run pushes to, resolved when a task first needs it: a registry and the prefix of every repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tasks.errors import SettingsError
from tasks.model import Image
from tasks.reference import Registry, Repository
from tasks.settings import Settings


@dataclass(frozen=True)
class Target:
    """Where images go.

    Attributes:
        registry: the host.
        path: what stands before `/<image>` in every repository's name; empty for none.
        ecr: whether repositories are made, and logins fetched, through AWS's API.
    """

    registry: Registry
    path: str
    ecr: bool

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""
        return Repository(self.registry, f"{self.path}/{image.name}" if self.path else image.name)

    @property
    def prefix(self) -> str:
        """The value for the instance property `sleeper.ecr.repository.prefix`."""
        return f"{self.registry}/{self.path}" if self.path else str(self.registry)


class Account(Protocol):
    """What `tasks.registry.ecr` knows of the account that the credentials belong to."""

    @property
    def registry(self) -> Registry:
        """The account's registry."""


def resolve(settings: Settings, account: Callable[[], Account]) -> Target:
    """Find out where to push.

    Args:
        settings: REPO_PREFIX, DOCKER_REGISTRY, INSTANCE_ID, ACCOUNT, REGION and REGISTRY are used.
        account: asks AWS for the registry of the credentials; called only where the settings do not say.

    Raises:
        SettingsError: nothing says where; the text lists what to set.
    """
    if settings.repo_prefix:
        host, _, path = settings.repo_prefix.partition("/")
        registry = Registry(host)
        return Target(registry, path, ecr=speaks_ecr(settings, registry))
    if not settings.instance_id:
        raise SettingsError("where to push is not set: there is no INSTANCE_ID", _WHAT_TO_SET)
    if settings.docker_registry:
        registry = Registry(settings.docker_registry)
    elif settings.registry == "oci":
        raise SettingsError("REGISTRY=oci needs to know which registry", "set DOCKER_REGISTRY=<host>[:port]")
    elif settings.account and settings.region:
        registry = Registry(f"{settings.account}.dkr.ecr.{settings.region}.{_dns_suffix(settings.region)}")
    else:
        return Target(account().registry, settings.instance_id, ecr=True)
    return Target(registry, settings.instance_id, ecr=speaks_ecr(settings, registry))


def speaks_ecr(settings: Settings, registry: Registry) -> bool:
    """Whether the registry belongs to ECR: by REGISTRY, by its host, or because an AWS endpoint is set."""
    if settings.registry != "auto":
        return settings.registry == "ecr"
    return registry.ecr_account_and_region is not None or settings.aws_endpoint_set


def _dns_suffix(region: str) -> str:
    # China's is a partition of its own; in the isolated ones DOCKER_REGISTRY says it, or the token's proxyEndpoint.
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


_WHAT_TO_SET = """\
set where to push, on the command line or in the environment, for example
    doit push_all instance_id=<instance> account=<12 digits> region=eu-west-2
  or, for any other registry,
    doit push_all instance_id=<instance> docker_registry=<host>[:port] registry=oci
  or try it on this machine, with nothing set:
    ./doitw sandbox push_all
  `doit settings` shows every setting and where it came from"""
