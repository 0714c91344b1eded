"""Requests, where they may go, responses, and the errors made of them. Pure: no I/O, and no message contains a secret.

A registry may send us to other hosts, and the environment may name a proxy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Digest, Registry, is_loopback
from tasks.registry.model import MANIFEST_LIMIT
from tasks.system.text import one_line, shown_url

TEMPORARY = frozenset({429, 500, 502, 503, 504})
"""The statuses after which the same request may succeed."""

TRY_AGAIN = "check that the registry is running and that this machine can reach it, then run again"
ITS_OWN_FAULT = "run again; if it fails again, see the registry's log"
DISTRUST = "a registry or proxy returned wrong data; run again, and if it happens again, report it to the operator"
LOOK_AT_THE_HOST = "check that DOCKER_REGISTRY is the address of a registry, and see the registry's log"

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses that name another URL to ask."""

_LONGEST_WORDS = 1200
"""How many bytes of a plain text are read; an error shows fewer."""


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        method: GET, HEAD, PUT, POST or DELETE. Every request of ours may be sent twice.
        url: a path on the registry (`/v2/…`), or a whole URL.
        headers: never shown, because they may hold a login.
        body: what is sent.
        limit: the largest answer that is read, in bytes.
        follow: whether to follow redirects, as for blobs that a registry stores elsewhere. A login stays with its host.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    limit: int = MANIFEST_LIMIT
    follow: bool = False


@dataclass(frozen=True)
class Response:
    """One answer.

    Attributes:
        status: the HTTP status.
        headers: names match in any case.
        body: all of it; empty for HEAD.
        asked: the method and URL, for messages.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    asked: str


_NEXT_STEPS = {
    401: "log in again: docker login, or AWS credentials that have not expired",
    403: "give this login permission to pull from and push to the repository",
    404: "check that DOCKER_REGISTRY is the address of a registry, and that the repository exists",
}
_OF_THE_LOGIN = frozenset({"DENIED", "UNAUTHORIZED"})
_PATH = re.compile(r"/v2/(\S+?)/(?:manifests|blobs|referrers|tags)/")


def refused(response: Response, next_step: str = "") -> RegistryError:
    """Return the error for an unsuccessful answer (401: CredentialsError); without a next step, that of its status."""
    code, _ = _own_words(response)
    message = f"{response.asked}: {answered(response)}"
    wait = retry_after(response) if response.status in TEMPORARY else 0.0
    if wait:
        message += f"; it asks to wait {_duration(wait)}"
        next_step = next_step or f"run again in {_duration(wait)}; images already pushed are kept"
    if response.status in REDIRECTS:
        message += f"; it redirects to {shown_url(response.headers.get('Location', ''))}"
        next_step = next_step or "set DOCKER_REGISTRY to the host that it redirects to"
    kind = CredentialsError if response.status == 401 else RegistryError  # noqa: PLR2004  # HTTP's "unauthorized".
    return kind(
        message,
        next_step or _next_step(response, code),
        status=response.status,
        code=code,
        temporary=response.status in TEMPORARY,
    )


def answered(response: Response) -> str:
    """Return what the registry answered, with its own words."""
    said = ": ".join(filter(None, _own_words(response)))
    return f"the registry answered {response.status}" + (f" ({said})" if said else "")


def other_bytes(response: Response, expected: Digest, found: Digest) -> RegistryError:
    """Return the error for an answer with another digest than the expected one."""
    return RegistryError(
        f"{response.asked}: the registry returned {found} instead of {expected}",
        DISTRUST,
        status=response.status,
        code="DIGEST_INVALID",
    )


def retry_after(response: Response) -> float:
    """Return how many seconds a registry asks us to wait (Retry-After, RFC 9110, 10.2.3); 0 if it does not."""
    value = response.headers.get("Retry-After", "")
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # Slow, and rarely needed.

    try:
        until, now = (parsedate_to_datetime(text) for text in (value, response.headers.get("Date", "")))
        return max(0.0, (until - now).total_seconds())
    except (OverflowError, TypeError, ValueError):  # TypeError: only one of the two dates has a zone.
        return 0.0


def _own_words(response: Response) -> tuple[str, str]:
    """Return the code of the first error and its text (distribution specification, "Error Codes").

    Some give the reason elsewhere than in `message`: Nexus in `detail`, token servers in `details` (Docker Hub) or
    `error_description` (OAuth 2, RFC 6749, 5.2), proxies in plain text.
    """
    try:
        answer = json.loads(response.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        plain = response.headers.get("Content-Type", "").startswith("text/plain")
        return "", one_line(response.body[:_LONGEST_WORDS].decode(errors="replace")) if plain else ""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else answer
    code = first.get("code") or first.get("error")
    said = [first.get(key) for key in ("message", "detail", "details", "error_description")]
    words = dict.fromkeys(one_line(text if isinstance(text, str) else _quoted(text)) for text in said)
    return (one_line(code) if isinstance(code, str) else ""), ": ".join(filter(None, words))


def _quoted(detail: object) -> str:
    """Return the texts of a detail that is an object; `{"Tag": "1.2"}` only repeats what we asked for."""
    if isinstance(detail, dict):
        texts = (detail.get(key) for key in ("message", "reason", "description", "error"))
        return ": ".join(text for text in texts if isinstance(text, str))
    return ""


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    if seconds < 100:  # noqa: PLR2004  # Up to here seconds are clearer.
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{hours:g} h"  # noqa: PLR2004  # As above.


def _next_step(response: Response, code: str) -> str:
    if response.status in TEMPORARY:
        return ITS_OWN_FAULT
    if code == "NAME_UNKNOWN":
        path = _PATH.search(response.asked)
        name = path[1] if path else "<name>"
        return f"create the repository (in ECR: aws ecr create-repository --repository-name {name})"
    # ECR answers 400 to a password that is not an ECR token.
    status = 401 if response.status == 400 and code in _OF_THE_LOGIN else response.status  # noqa: PLR2004  # As said.
    return _NEXT_STEPS.get(status, LOOK_AT_THE_HOST)


# Where a request may go

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
                    return _parse_proxy(name, environment[name])
                break
    return None


def _parse_proxy(name: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        good = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    rest = good and (parts.path not in {"", "/"} or parts.query or parts.fragment)
    if not good or rest or not _VISIBLE_ASCII.fullmatch(text):
        raise RegistryError(
            f"the proxy in {name} cannot be used: {_unusable(text)}",
            f"set {name} to http://<host>:<port> or http://<user>:<password>@<host>:<port>, with / and other special "
            f"characters of the user and password percent-encoded (%2F); or: unset {name}",
        )
    login = unquote(f"{parts.username}:{parts.password or ''}") if parts.username else None
    return Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", login)


def _unusable(text: str) -> str:
    other = _OTHER_SCHEME.match(text)
    if other:
        return f"{other[1].lower()} is not supported, only http and https"
    if not _VISIBLE_ASCII.fullmatch(text):
        return "it contains a space, a line break or a character outside ASCII"
    return "it is not a URL of a host and a port"
