"""The WWW-Authenticate header: by which schemes a registry lets clients log in (RFC 9110, section 11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.errors import CredentialsError
from tasks.registry.message import Response, clean

_WORD = "[A-Za-z0-9!#$%&'*+.^_`|~-]"

# A word is tried where it begins and read once, so that a header of any length is parsed in a time that grows with it.
_CHALLENGE_PART = re.compile(
    rf"""(?<!{_WORD})(?:
        (?P<name>{_WORD}++)\s*+=\s*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<plain>[^\s,"]++))
        | (?P<scheme>{_WORD}++)(?=\s|,|$)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Challenge:
    """What a registry asks a client to log in by.

    Attributes:
        scheme: `basic`, `bearer`, or empty where no login is asked for.
        parameters: `realm`, `service`, `scope` …
    """

    scheme: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(header: str) -> tuple[Challenge, ...]:
    """Parse a WWW-Authenticate header, which may hold several challenges; what is not understood is left out."""
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
    """Return the challenge to answer; a token before a password.

    Args:
        offered: what the header holds.
        response: where it stood, for the error.

    Raises:
        CredentialsError: none of them is one that we can answer.
    """
    for scheme in ("bearer", "basic"):
        for challenge in offered:
            if challenge.scheme == scheme:
                return challenge
    schemes = ", ".join(clean(one.scheme) for one in offered) or "no scheme at all"
    raise CredentialsError(
        f"{response.asked}: the registry asks for a login by {schemes}; we can do Basic and Bearer",
        "see whether DOCKER_REGISTRY is a registry's address",
        status=response.status,
    )
