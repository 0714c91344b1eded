"""What one logs in to a registry with, and who has it. Nothing here talks to anybody."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.reference import Registry
from tasks.registry import kinds
from tasks.system.secrets import keep

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  # A user name.
"""Docker's name for the user whose password is an identity token."""


@dataclass(frozen=True)
class Credential:
    """A user name and a password, which is never shown."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        """See that no text shows the password from now on."""
        keep(self.password, self.basic.partition(" ")[2])

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


Keychain = Callable[[Registry, bool], Credential | None]
"""Finds the credential for a registry; with True, one that is not from memory. None where there is none."""


def how_to_log_in(registry: Registry) -> str:
    """Return the next step of a user without a login for `registry`."""
    return kinds.of_host(registry).how_to_log_in.format(registry=registry)
