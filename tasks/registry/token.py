"""A bearer token: what a token server's answer holds, and how long it may be used. Pure.

Source: the distribution project's `spec/auth/token.md`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tasks.errors import RegistryError
from tasks.registry.message import Response

TOKEN_LIMIT = 1024 * 1024
"""The largest answer of a token server that is read."""

_TOKEN_SECONDS = 60.0
"""How long a token lasts where its server does not say; token.md gives this number."""

_LONGEST_TOKEN_SECONDS = 24 * 3600.0

_TOKEN_MARGIN = 10.0
"""How long before its end a token is used no more."""


@dataclass(frozen=True)
class Token:
    """A bearer token; `dies` is on the clock that it was fetched by."""

    header: str = field(repr=False)
    dies: float


def parse_token(response: Response, now: float) -> Token:
    """Return the token in a token server's answer; `now` is on the clock that it dies by.

    Raises:
        RegistryError: it holds none.
    """
    try:
        answer = json.loads(response.body)
        token = answer.get("token") or answer.get("access_token")
        lasts = answer.get("expires_in", _TOKEN_SECONDS)
    except (ValueError, RecursionError, AttributeError):
        token, lasts = None, _TOKEN_SECONDS
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise RegistryError(
            f"{response.asked}: the token server's answer holds no token",
            "see whether DOCKER_REGISTRY is a registry's address, then run again",
            status=response.status,
        )
    # JSON's numbers have no end; no server's token outlives the run in any case.
    seconds = min(lasts, _LONGEST_TOKEN_SECONDS) if isinstance(lasts, int | float) and lasts > 0 else _TOKEN_SECONDS
    return Token(f"Bearer {token}", now + max(seconds - _TOKEN_MARGIN, seconds / 2))
