"""What a login is made of: the user's credential, the registry's challenge, and the token that answers it. Pure.

Sources: RFC 9110, section 11 (challenges); the distribution project's `spec/auth/token.md` (bearer tokens).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Registry
from tasks.registry import kinds
from tasks.registry.message import Response
from tasks.system.secrets import keep
from tasks.system.text import one_line

IDENTITY_TOKEN_USER = "<token>"  # noqa: S105  # A user name.
"""Docker's user name for a credential whose password is an identity token."""

TOKEN_LIMIT = 1024 * 1024
"""The largest answer of a token server that is read."""

_TOKEN_SECONDS = 60.0
"""How long a token is valid if its server does not say (token.md)."""

_LONGEST_TOKEN_SECONDS = 24 * 3600.0

_TOKEN_MARGIN = 10.0
"""How many seconds before its end a token is replaced."""


@dataclass(frozen=True)
class Credential:
    """A user name and a password. The password is never shown."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        """Register the password as a secret, so that no text shows it."""
        keep(self.password, self.basic.partition(" ")[2])

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


Keychain = Callable[[Registry, bool], Credential | None]
"""Finds the credential for a registry, or None. With True, the credential must not come from a cache."""


def how_to_log_in(registry: Registry) -> str:
    """Return the next step for a user without a login to `registry`."""
    return kinds.of_host(registry).how_to_log_in.format(registry=registry)


# Challenges

_WORD = "[A-Za-z0-9!#$%&'*+.^_`|~-]"

# Possessive quantifiers: each word is tried once, so the time to parse grows with the header's length and no faster.
_CHALLENGE_PART = re.compile(
    rf"""(?<!{_WORD})(?:
        (?P<name>{_WORD}++)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>[^\s,"]++))
        | (?P<scheme>{_WORD}++)(?=\s|,|$)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Challenge:
    """How a registry asks a client to log in.

    Attributes:
        scheme: `basic`, `bearer`, or empty if no login is needed.
        parameters: `realm`, `service`, `scope` …
    """

    scheme: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(header: str) -> tuple[Challenge, ...]:
    """Parse a WWW-Authenticate header, which may hold several challenges. Malformed parts are left out."""
    found: list[tuple[str, dict[str, str]]] = []
    for match in _CHALLENGE_PART.finditer(header):
        if match["scheme"]:
            found.append((match["scheme"].lower(), {}))
        elif found:
            value = match["quoted"]
            text = match["plain"] if value is None else re.sub(r"\\(.)", r"\1", value)
            found[-1][1].setdefault(match["name"].lower(), text)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def choose(offered: tuple[Challenge, ...], response: Response) -> Challenge:
    """Return the challenge to answer; Bearer is preferred to Basic. The error names the response that offered them.

    Raises:
        CredentialsError: none of them is Basic or Bearer.
    """
    for scheme in ("bearer", "basic"):
        for challenge in offered:
            if challenge.scheme == scheme:
                return challenge
    schemes = ", ".join(one_line(one.scheme) for one in offered) or "no scheme"
    raise CredentialsError(
        f"{response.asked}: the registry asks for a login with {schemes}; only Basic and Bearer are supported",
        "check that DOCKER_REGISTRY is the address of a registry",
        status=response.status,
    )


# Bearer tokens


@dataclass(frozen=True)
class BearerToken:
    """A bearer token; `dies` is on the clock of `parse_token`'s `now`."""

    header: str = field(repr=False)
    dies: float


def parse_token(response: Response, now: float) -> BearerToken:
    """Return the token in a token server's answer; `now` is by any clock that only moves forward.

    Raises:
        RegistryError: the answer has no usable token.
    """
    try:
        answer = json.loads(response.body)
        token = answer.get("token") or answer.get("access_token")
        lasts = answer.get("expires_in", _TOKEN_SECONDS)
    except (ValueError, RecursionError, AttributeError):
        token, lasts = None, _TOKEN_SECONDS
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise RegistryError(
            f"{response.asked}: the token server's answer has no token",
            "check that DOCKER_REGISTRY is the address of a registry, then run again",
            status=response.status,
        )
    # A number in JSON has no upper limit; no run lasts longer than a day.
    seconds = min(lasts, _LONGEST_TOKEN_SECONDS) if isinstance(lasts, int | float) and lasts > 0 else _TOKEN_SECONDS
    return BearerToken(f"Bearer {token}", now + max(seconds - _TOKEN_MARGIN, seconds / 2))
