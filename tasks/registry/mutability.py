"""Which tags cannot be moved, as ECR says it where the login may ask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tasks.errors import RegistryError
from tasks.reference import Tag
from tasks.registry.aws_faults import DENIED

if TYPE_CHECKING:
    from tasks.registry.ecr import Ecr


def immutable(ecr: Ecr, tags: Iterable[Tag]) -> set[Tag] | None:
    """Return those of `tags` that, once there, cannot be moved; None where the login may not ask.

    Raises:
        CredentialsError: there is no AWS login, or AWS refused it.
        RegistryError: their repositories cannot be described.
    """
    asked = set(tags)
    try:
        settings = ecr.tag_mutability(tag.repository.path for tag in asked)
    except RegistryError as error:
        if error.code in DENIED:
            return None
        raise
    return {
        tag for tag in asked if tag.repository.path in settings and settings[tag.repository.path].immutable(tag.name)
    }
