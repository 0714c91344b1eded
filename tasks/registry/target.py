"""Where a run pushes to, resolved when a task first needs it: a registry and the prefix of every repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.configuration.settings import Settings
from tasks.model import Image
from tasks.reference import Registry, Repository
from tasks.registry import partitions

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
        """What stands before `/<image>` in every repository, with the registry."""
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
        suffix = partitions.of_region(settings.region).dns_suffix
        registry = Registry(f"{settings.account}.dkr.ecr.{settings.region}.{suffix}")
    return Target(registry or account_registry(), path, ecr=settings.registry_kind == ECR)
