"""A registry that hides what is not there: it refuses to read it, as Quay, Artifactory and some token servers do.

What each does, from its sources or documentation:

    downscoped        the token server grants what exists, the registry answers 401 (Quay, endpoints/v2/v2auth.py;
                      the distribution project's token.md lets any server do so)
    downscoped, 403   the same, and the registry answers 403 (GitLab, Gitea)
    token 401, 403    the token server itself refuses the scope (GHCR without the package)
    basic 401, 403    no token server; a user without a read permission on the path is refused (Artifactory)
"""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tasks.registry.credentials import Credential
from tests.registry.asking import PATH
from tests.registry.holding import Registry
from tests.registry.server import Answer, Asked

ME = Credential("me", "password")
STYLES = ("downscoped 401", "downscoped 403", "token 401", "token 403", "basic 401", "basic 403")


@dataclass
class Concealing:
    """A registry of one repository, which exists once something was uploaded.

    Attributes:
        style: how it hides, one of STYLES.
        pushes: whether ME may push.
        reads: whether ME may read what is there.
        held: what it holds.
    """

    style: str
    pushes: bool = True
    reads: bool = True
    held: Registry = field(default_factory=Registry)
    _granted: dict[str, set[str]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        kind, _, status = self.style.rpartition(" ")
        if asked.target.startswith("/token"):
            return self._token(asked, int(status) if kind == "token" else 200)
        challenge = f'Bearer realm="http://{asked.headers["host"]}/token",service="it"'
        if kind == "basic":
            challenge = 'Basic realm="all"'
        granted = self._granted_by(asked.headers.get("authorization", ""))
        if granted is None:
            return Answer(401, {"WWW-Authenticate": challenge})
        if asked.target != "/v2/" and ("pull" if asked.method in {"GET", "HEAD"} else "push") not in granted:
            refusal = b'{"errors": [{"code": "UNAUTHORIZED", "message": "access to the resource is not authorized"}]}'
            refuses_with = 401 if kind == "token" else int(status)
            return Answer(refuses_with, {"WWW-Authenticate": challenge} if refuses_with == 401 else {}, refusal)
        return Answer() if asked.target == "/v2/" or asked.method == "DELETE" else self.held.answer(asked)

    def _granted_by(self, authorization: str) -> set[str] | None:
        """Return what a login may do; None where it is none."""
        if not self.style.startswith("basic"):
            return self._granted.get(authorization)
        return self._grants({"pull", "push"}) if authorization == ME.basic else None

    def _exists(self) -> bool:
        return bool(self.held.manifests)

    def _grants(self, wanted: set[str]) -> set[str]:
        """Return what is granted of `wanted` as things are."""
        mine = ({"pull"} if self.reads and self._exists() else set()) | ({"push"} if self.pushes else set())
        return wanted & mine

    def _token(self, asked: Asked, refusing: int) -> Answer:
        if asked.headers.get("authorization") != ME.basic:
            return Answer(401)
        scope = parse_qs(urlsplit(asked.target).query).get("scope", [""])[0]
        name, _, actions = scope.removeprefix("repository:").rpartition(":")
        granted = self._grants(set(actions.split(",")))
        if scope and (name != PATH or (not granted and refusing != 200)):
            return Answer(refusing, body=b'{"errors": [{"code": "DENIED", "message": "requested access is denied"}]}')
        with self._lock:
            token = f"token-{next(self._numbers)}"
            self._granted[f"Bearer {token}"] = granted
        return Answer(200, body=json.dumps({"token": token, "expires_in": 300}).encode())
