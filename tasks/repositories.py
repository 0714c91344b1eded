"""The repositories that a run pushes to: which exist, and which of their tags cannot be moved.

ECR needs a repository before the first push; other registries create it at the push. If this login may not create a
repository, it may still push: the repository may exist, or the registry may create it (ECR's repository creation
templates do). An upload that is begun and cancelled shows whether it may.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable

from tasks.engine.buildx import BUILDING
from tasks.errors import RegistryError
from tasks.reference import Repository
from tasks.registry.target import Target

_REFUSED = {401, 403, 404}


class Repositories:
    """What a run knows of the repositories of its target. Threads may share it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._created: dict[Repository, bool] = {}
        self._lock = threading.Lock()
        self._immutable: set[Repository] | None = None

    def create(self, repository: Repository) -> bool:
        """Create a repository unless it exists; return whether this run created it.

        Raises:
            RegistryError: it does not exist, and cannot be created.
        """
        denied = self._create(repository)
        if denied is not None:
            self._check_push(repository, denied)
        return self._created[repository]

    def check(self, repository: Repository, *, exists: bool) -> None:
        """Prove that an image can be pushed: the repository exists or is created, and the login may push.

        `exists` says whether the repository is known to exist.

        Raises:
            RegistryError: it cannot.
        """
        if exists:
            self._created.setdefault(repository, False)
        self._check_push(repository, self._create(repository))

    def building_tag(self, repository: Repository, siblings: Iterable[Repository]) -> str:
        """Return a tag that a build can push to: BUILDING, or a new one for each build if tags cannot be moved.

        `siblings` are all repositories that this run pushes to, which are asked about together.
        """
        with self._lock:
            if self._immutable is None:
                tags = [one.tag(BUILDING) for one in dict.fromkeys((repository, *siblings))]
                self._immutable = {tag.repository for tag in self._target.perhaps_immutable(tags)}
            return f"{BUILDING}-{secrets.token_hex(8)}" if repository in self._immutable else BUILDING

    def refuse_building_tag(self, repositories: Iterable[Repository]) -> None:
        """Remember that tags in these repositories cannot be moved: only ECR says so before a push."""
        with self._lock:
            self._immutable = {*(self._immutable or ()), *repositories}

    def _create(self, repository: Repository) -> RegistryError | None:
        """Create a repository unless it is known to exist; return why this login may not."""
        if repository not in self._created:
            created = self._target.backend.create_repository(repository)
            if isinstance(created, RegistryError):
                return created
            self._created[repository] = created
        return None

    def _check_push(self, repository: Repository, denied: RegistryError | None) -> None:
        """Begin an upload and cancel it; RegistryError if the registry refuses."""
        try:
            self._target.client.check_push(repository)
        except RegistryError as fault:
            if fault.status not in _REFUSED:
                raise
            explained = self._target.backend.explain_refusal(repository, fault, denied)
            if explained is fault:
                raise
            raise explained from fault
        self._created.setdefault(repository, False)
