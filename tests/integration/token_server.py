"""A token server for a real registry (the distribution project's spec/auth/token.md and jwt.md).

It grants `pull` alone only for a repository that is there. Who asks for `push` gets both, as the registry wants both
for an upload; Quay creates the repository then.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from tasks.registry.credentials import Credential
from tests.registry.server import Answer, Asked

ISSUER, SERVICE = "the token server", "the registry"


@dataclass
class TokenServer:
    """Gives tokens to one user.

    Attributes:
        user: who may log in.
        exists: whether there is a repository of a name.
        lasts: for how many seconds a token is valid.
        given: the scopes that were asked for, and what was granted of each.
    """

    user: Credential
    exists: Callable[[str], bool]
    lasts: int = 300
    given: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def certificate(self) -> x509.Certificate:
        """Return the certificate that the registry is to trust."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def configure(self, directory: Path, realm: str) -> dict[str, object]:
        """Return the registry's `auth`; the certificate is written into a directory."""
        bundle = directory / "token.pem"
        self._certificate = self.certificate()
        bundle.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        return {"token": {"realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(bundle)}}

    def __call__(self, asked: Asked) -> Answer:
        """Answer a request for a token."""
        parameters = parse_qs(urlsplit(asked.target).query)
        basic = asked.headers.get("authorization", "")
        if asked.method == "POST":  # BuildKit asks by OAuth 2 first; a server without it says 404.
            return Answer(404)
        if basic != self.user.basic:
            return Answer(401, body=b'{"details": "incorrect username or password"}')
        access: list[dict[str, object]] = []
        for scope in parameters.get("scope", []):
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            wanted = frozenset(actions.split(","))
            granted = wanted if "push" in wanted or self.exists(name) else frozenset()
            self.given.append((scope, granted))
            access.append({"type": kind, "name": name, "actions": sorted(granted)})
        body = {"token": self._token(access), "expires_in": self.lasts}
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _token(self, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        chain = base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()
        head = {"typ": "JWT", "alg": "ES256", "x5c": [chain]}
        claims = {
            "iss": ISSUER,
            "sub": self.user.username,
            "aud": SERVICE,
            "access": access,
            "exp": now + self.lasts,
            "nbf": now - 60,
            "iat": now,
            "jti": secrets.token_hex(8),
        }
        signed = f"{_encoded(json.dumps(head).encode())}.{_encoded(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
