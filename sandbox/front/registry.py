"""The registry's side: the distribution API with ECR's rules before it.

a request ─▶ login ─▶ repository ─▶ right ─▶ quota ─▶ what the call asks for ─▶ registry 2.8
                                                       refused: ECR's status and text
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.front import refusals
from sandbox.front.disk import DIGEST, parse, sha256
from sandbox.front.exchange import BehindError, Exchange
from sandbox.front.refusals import Refusal, RefusedError
from sandbox.front.repositories import Repository
from sandbox.front.rules import Ecr

_INDEX = "application/vnd.oci.image.index.v1+json"

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.*)")
_PASSWORD = re.compile(r"(?P<account>\d{12})-auth-token")
_BEHIND = Refusal(503, "UNAVAILABLE", "The sandbox's registry does not answer; see its log")
_CREATED, _UNAUTHORIZED, _NOT_FOUND, _NOT_ALLOWED = 201, 401, 404, 405
_API_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")


class Handler(Exchange):
    """A client of the registry."""

    ecr: Ecr

    def answer(self) -> None:
        """Answer one request."""
        self.behind = self.ecr.behind
        try:
            self._answer()
        except RefusedError as fault:
            self._refuse(fault.refusal)
        except BehindError as fault:
            sys.stderr.write(f"registry: {fault}\n")
            self.close_connection = True
            self._refuse(_BEHIND)

    def _answer(self) -> None:
        caller = self._caller()
        url = urlsplit(self.path)
        found = _PATH.fullmatch(url.path)
        if found is not None:
            self._answer_about(caller, found["name"], found["kind"], found["rest"], parse_qs(url.query))
        elif url.path in {"/v2", "/v2/"}:
            self.send(200, [_API_VERSION, ("Content-Type", "text/plain")])
        else:
            self._relay()

    def _answer_about(self, caller: str, name: str, kind: str, rest: str, query: dict[str, list[str]]) -> None:
        action = _action(self.command, kind, rest)
        if caller != self.ecr.registry.account and not self.ecr.repositories.allows(caller, action, name):
            raise RefusedError(self.ecr.registry.denied(caller, action, name))
        repository = self.ecr.find(name, begins=action == "InitiateLayerUpload")
        match kind, self.command:
            case "manifests", "PUT":
                self._put(repository, rest)
            case "manifests", _:
                if self.ecr.disk.digest(name, rest) is None:
                    raise RefusedError(refusals.NO_MANIFEST)
                self._relay()
            case "tags", _:
                self._tags(name)
            case "referrers", _:
                self._referrers(name, rest, query)
            case "blobs", "DELETE":
                raise RefusedError(refusals.UNSUPPORTED)
            case "blobs", "GET" | "HEAD":
                self._relay()
            case _:
                self._upload(action, query)

    def _caller(self) -> str:
        """Return the account of the login that was sent."""
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise RefusedError(refusals.no_login(self.headers.get("Host", "")))
        try:
            user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise RefusedError(refusals.BAD_LOGIN) from None
        found = _PASSWORD.fullmatch(password)
        if user != "AWS" or found is None:
            raise RefusedError(refusals.BAD_LOGIN)
        return found["account"]

    def _put(self, repository: Repository, reference: str) -> None:
        content = self.body(refusals.LARGEST_MANIFEST)
        if content is None:
            raise RefusedError(refusals.TOO_LARGE)
        self._count("PutImage")
        manifest = parse(content)
        with self.ecr.alone(repository.name):
            refused = self.ecr.check_put(repository, reference, sha256(content))
            refused = refused or self.ecr.missing(repository.name, manifest)
            if refused is not None:
                raise RefusedError(refused)
            found = self.ask(self.path, content, self._login())
            subject = manifest.get("subject")
            # The specification's sign that the registry lists referrers itself.
            named = isinstance(subject, dict) and found.status == _CREATED
            self.pass_on(found, [("OCI-Subject", str(subject["digest"]))] if named and subject else [])

    def _upload(self, action: str, query: dict[str, list[str]]) -> None:
        self._count(action)
        path = self.path
        if "mount" in query and not self.ecr.mountable(query.get("from", [""])[0], query["mount"][0]):
            path = path.partition("?")[0]  # It begins an upload, as if no mount had been asked for.
        self._relay(path)

    def _tags(self, name: str) -> None:
        found = self.ask(self.path, None, self._login())
        if found.status == _NOT_FOUND:  # Registry 2.8 has no repository before its first blob.
            found.read()
            self.send(200, [("Content-Type", "application/json")], json.dumps({"name": name, "tags": []}).encode())
        else:
            self.pass_on(found)

    def _referrers(self, name: str, digest: str, query: dict[str, list[str]]) -> None:
        if not DIGEST.fullmatch(digest):
            raise RefusedError(refusals.BAD_DIGEST)
        entries = [_descriptor(one, self.ecr.disk.manifest(one)) for one in self.ecr.disk.manifests(name)]
        listed = [entry for entry in entries if entry.pop("subject") == digest]
        headers = [("Content-Type", _INDEX)]
        if kind := query.get("artifactType"):
            listed = [entry for entry in listed if entry.get("artifactType") == kind[0]]
            headers.append(("OCI-Filters-Applied", "artifactType"))
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed}
        self.send(200, headers, json.dumps(index).encode())

    def _count(self, action: str) -> None:
        if not self.ecr.quotas.take(action):
            raise RefusedError(refusals.TOO_FAST)

    def _login(self) -> dict[str, str]:
        return {"Authorization": self.ecr.login} if self.ecr.login else {}

    def _relay(self, path: str = "") -> None:
        self.pass_on(self.ask(path or self.path, None, self._login()))

    def _refuse(self, refused: Refusal) -> None:
        if refused.status not in {_UNAUTHORIZED, _NOT_FOUND, _NOT_ALLOWED}:  # Every push has some of these.
            path = self.path.partition("?")[0]
            sys.stderr.write(f"{self.command} {path}: {refused.status} {refused.code} {refused.message}\n")
        headers = [_API_VERSION, ("Content-Type", refused.content_type)]
        self.send(refused.status, [*headers, *refused.headers.items()], refused.body)


_ACTIONS = {
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("blobs", "POST"): "InitiateLayerUpload",
    ("blobs", "PUT"): "CompleteLayerUpload",
    ("blobs", "PATCH"): "UploadLayerPart",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
}
_READING = {"manifests": "BatchGetImage", "referrers": "BatchGetImage", "tags": "ListImages"}


def _action(method: str, kind: str, rest: str) -> str:
    """Return ECR's name for a request, as its quotas and policies know it."""
    last = "UploadLayerPart" if rest.startswith("uploads/") else "GetDownloadUrlForLayer"
    return _ACTIONS.get((kind, method)) or _READING.get(kind, last)


def _descriptor(digest: str, content: bytes) -> dict[str, Any]:
    """Return what an index of referrers says of a manifest, and its subject."""
    manifest = parse(content)
    subject, config = manifest.get("subject"), manifest.get("config")
    found: dict[str, Any] = {
        "mediaType": str(manifest.get("mediaType") or ""),
        "digest": digest,
        "size": len(content),
        "subject": subject.get("digest") if isinstance(subject, dict) else None,
    }
    kind = manifest.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    found |= {"artifactType": kind} if kind else {}
    return found | ({"annotations": manifest["annotations"]} if manifest.get("annotations") else {})
