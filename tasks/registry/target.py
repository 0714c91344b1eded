"""Where a run pushes to, resolved when a task first needs it: a registry and the prefix of every repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.configuration.settings import Settings
from tasks.model import Image
from tasks.reference import Registry, Repository

ECR = "ecr"


@dataclass(frozen=True)
class Target:
    """Where images go.

    Attributes:
        registry: the host.
        path: what stands before `/<image>` in every repository's name.
        ecr: whether repositories are made, and logins fetched, through AWS's API.
    """

    registry: Registry
    path: str
    ecr: bool

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""
        return Repository(self.registry, f"{self.path}/{image.name}")

    @property
    def prefix(self) -> str:
        """The value for the instance property `sleeper.ecr.repository.prefix`."""
        return f"{self.registry}/{self.path}"


def resolve(settings: Settings, account_registry: Callable[[], Registry]) -> Target:
    """Find out where to push.

    Args:
        settings: REPO_PREFIX, DOCKER_REGISTRY, INSTANCE_ID, ACCOUNT, REGION and REGISTRY are used.
        account_registry: asks AWS for the registry of the credentials' account; called only where no setting says it.

    Raises:
        SettingsError: nothing says where; the text lists what to set.
    """
    path = settings.require_repository_prefix()
    registry = settings.registry_host
    if registry is None and settings.account and settings.region:
        registry = Registry(f"{settings.account}.dkr.ecr.{settings.region}.{_dns_suffix(settings.region)}")
    return Target(registry or account_registry(), path, ecr=settings.registry_kind == ECR)


def _dns_suffix(region: str) -> str:
    # China's is a partition of its own; in the isolated ones DOCKER_REGISTRY says it, or the token's proxyEndpoint.
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
