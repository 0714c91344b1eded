"""Where a request may go: hosts that a registry may send us to, and the proxy that the environment names. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tasks.errors import RegistryError
from tasks.reference import Registry, is_loopback

_SCHEMES = frozenset({"http", "https"})
_OTHER_SCHEME = re.compile(r"(socks\w*|ftp|ws|wss)://", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


def trusted(url: str, registry: Registry) -> bool:
    """Whether to follow `registry` to a URL: https anywhere, http only from loopback to loopback.

    Raises:
        ValueError: `url` is malformed.
    """
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and registry.loopback and is_loopback(parts.hostname))


def origin(url: str) -> tuple[str, str]:
    """Return what a login is limited to: the scheme, and the host with its port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


@dataclass(frozen=True)
class Proxy:
    """A proxy: its URL without a login, and the login as `user:password`, or None."""

    url: str
    login: str | None = field(repr=False)


def proxy(environment: Mapping[str, str], *schemes: str) -> Proxy | None:
    """Return the proxy that the environment sets for the first of `schemes`; None if there is none.

    Args:
        environment: the variables, such as `https_proxy` and `HTTPS_PROXY`.
        schemes: `https`, or `all` for ALL_PROXY.

    Raises:
        RegistryError: the value is not usable. The message names the variable and not its value, which may hold a
            password.
    """
    for scheme in schemes:
        # As in urllib: lower case wins, and an empty value means no proxy.
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
    rest = good and (parts.path not in {"", "/"} or parts.query or parts.fragment)
    if not good or rest or not _VISIBLE_ASCII.fullmatch(text):
        raise RegistryError(
            f"the proxy in {name} cannot be used: {_reason(text)}",
            f"set {name} to http://<host>:<port> or http://<user>:<password>@<host>:<port>, with / and other special "
            f"characters of the user and password percent-encoded (%2F); or: unset {name}",
        )
    login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", login)


def _reason(text: str) -> str:
    other = _OTHER_SCHEME.match(text)
    if other:
        return f"{other[1].lower()} is not supported, only http and https"
    if not _VISIBLE_ASCII.fullmatch(text):
        return "it contains a space, a line break or a character outside ASCII"
    return "it is not a URL of a host and a port"
