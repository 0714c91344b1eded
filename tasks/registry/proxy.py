"""The proxy that the environment names. Its value is never shown, as it may hold a login that is badly written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tasks.errors import RegistryError

_SCHEMES = frozenset({"http", "https"})
_OTHER_SCHEME = re.compile(r"(socks\w*|ftp|ws|wss)://", re.IGNORECASE)


@dataclass(frozen=True)
class Proxy:
    """A proxy: its URL without a login, and the login as `user:password` or None."""

    url: str
    login: str | None = field(repr=False)


def proxy(environment: Mapping[str, str], *schemes: str) -> Proxy | None:
    """Return the proxy that the first of `schemes` has in the environment; `all` is for all of them.

    Raises:
        RegistryError: it cannot be used. The text names the variable and not its value.
    """
    for scheme in schemes:
        # As urllib reads them: lower case wins, and an empty one means none.
        for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
            if name in environment:
                if environment[name]:
                    return _parse(name, environment[name])
                break
    return None


def _parse(name: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        good = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if (
        not good
        or not re.fullmatch(r"[\x21-\x7e]+", text)
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
    ):
        raise RegistryError(
            f"the proxy in {name} cannot be used: {_reason(text)}",
            f"set {name} to http://<host>:<port> or http://<user>:<password>@<host>:<port>, with %2F for / and so on "
            f"in the user and password; or: unset {name}",
        )
    login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", login)


def _reason(text: str) -> str:
    other = _OTHER_SCHEME.match(text)
    if other:
        return f"{other[1].lower()} is not supported, only http and https"
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        return "it holds a space, a line break or a character outside ASCII"
    return "it is not a URL of a host and a port"
