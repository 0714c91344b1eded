"""Plain http where https was expected, and the other way round: how each is known, and what to do about it."""

from __future__ import annotations

import re
import socket
import ssl

from tasks.errors import RegistryError
from tasks.reference import Registry
from tasks.registry.message import Response

PROBE_SECONDS = 2.0
"""How long a server on this machine may take to begin a TLS handshake."""

_PLAIN = frozenset(
    {"HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"}
)
"""OpenSSL's reasons, of its several versions, where what came is no TLS record."""

# What Go, nginx, Apache's httpd, and Tomcat say to plain http at their https port.
_WANTS_TLS = re.compile(
    rb"HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port"
    rb"|speaking plain HTTP to an SSL-enabled server port|host and port requires TLS"
)
_BAD_REQUEST = 400


def is_plain(fault: object) -> bool:
    """Whether a TLS handshake failed because the server does not speak TLS."""
    return isinstance(fault, ssl.SSLError) and fault.reason in _PLAIN


def wants_tls(response: Response) -> bool:
    """Whether an answer to plain http says that the server speaks https."""
    return response.status == _BAD_REQUEST and _WANTS_TLS.search(response.body) is not None


def speaks_http(asked: str) -> RegistryError:
    """Return the error for a registry that speaks http where https is expected."""
    return RegistryError(
        f"{asked}: the server there speaks http, not https",
        "serve the registry by https, or check the host and port of DOCKER_REGISTRY; plain http is used only for "
        "registries on loopback (127.0.0.1, localhost)",
    )


def speaks_https(asked: str) -> RegistryError:
    """Return the error for a registry on loopback that speaks https."""
    return RegistryError(
        f"{asked}: the server there speaks https, and a registry on loopback is asked by plain http",
        "set DOCKER_REGISTRY to another name of this machine, one that is in the certificate; or serve plain http "
        "on loopback",
    )


def explained(error: RegistryError, registry: Registry) -> RegistryError:
    """Return the error for a registry that gave no answer; one that says why, where it is because it speaks https."""
    if registry.loopback and error.temporary and not error.status and _begins_tls(registry):
        return speaks_https(error.message.partition(": ")[0])
    return error


def _begins_tls(registry: Registry) -> bool:
    """Whether the server begins a TLS handshake; no certificate is checked and nothing is sent."""
    host, colon, port = registry.host.rpartition(":")
    if not colon or not port.isdecimal():
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), PROBE_SECONDS) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except ssl.SSLError as fault:
        return not is_plain(fault)
    except OSError:
        return False
