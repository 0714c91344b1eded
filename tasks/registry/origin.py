"""Whom a URL leads to, and whether a registry may send us there. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from tasks.reference import Registry, is_loopback


def trusted(url: str, registry: Registry) -> bool:
    """Whether we may go where `registry` sends us: by https, or from this machine to this machine.

    Raises:
        ValueError: `url` is none.
    """
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and registry.loopback and is_loopback(parts.hostname))


def origin(url: str) -> tuple[str, str]:
    """Return what a login is for: the scheme, and the host with its port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
