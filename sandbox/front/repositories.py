"""ECR's repositories as moto knows them: which there are, and whether their tags can move.

moto forgets when it stops. Calls that changed something are kept in a journal, and made again when it starts.
"""

from __future__ import annotations

import fnmatch
import http
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.front.exchange import BehindError, Upstream

TARGET = "AmazonEC2ContainerRegistry_V20150921"
_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/(?P<date>[^/]*)/(?P<region>[^/]*)/(?P<service>[^/]*)/")
_ATTEMPTS = 5
"""How often a repository is looked for: moto fails if another thread creates one while it goes through them."""

_READING = re.compile(r"(?:Describe|List|Get|Batch(?:Get|Check))")


@dataclass(frozen=True)
class Repository:
    """A repository's settings.

    Attributes:
        name: its name.
        mutability: `MUTABLE`, `IMMUTABLE`, or one of them `_WITH_EXCLUSION`.
        exclusions: patterns of tags for which the contrary holds.
    """

    name: str
    mutability: str = "MUTABLE"
    exclusions: tuple[str, ...] = ()

    def immutable(self, tag: str) -> bool:
        """Whether a tag, once there, cannot be put again; ECR's patterns know `*` alone."""
        excluded = self.mutability.endswith("_WITH_EXCLUSION") and any(
            fnmatch.fnmatchcase(tag, pattern.replace("[", "[[]").replace("?", "[?]")) for pattern in self.exclusions
        )
        return self.mutability.startswith("IMMUTABLE") is not excluded


def authorization(key: str, region: str, service: str = "ecr") -> str:
    """Return the header of a call as this access key; moto reads no signature."""
    return (
        f"AWS4-HMAC-SHA256 Credential={key}/20240101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )


def access_key(header: str) -> str:
    """Return the access key of a signed call."""
    found = _CREDENTIAL.search(header)
    return found["key"] if found else ""


def as_key(header: str, key: str) -> str:
    """Return a signed call's header with another access key."""
    return _CREDENTIAL.sub(lambda found: found[0].replace(f"={found['key']}/", f"={key}/", 1), header)


def changes(operation: str) -> bool:
    """Whether a call changes what moto knows, as far as its name says."""
    return _READING.match(operation) is None


class Repositories:
    """The repositories of one account and Region. Threads may share it.

    Args:
        address: where moto listens.
        journal: the file of the calls that changed something.
        key: an access key of the account.
        region: the Region.
    """

    def __init__(self, address: str, journal: Path, key: str, region: str) -> None:
        self._address = address
        self._journal = journal
        self._key = key
        self._region = region
        self._lock = threading.Lock()
        self._known: dict[str, Repository | None] = {}
        self._policies: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._changes = 0

    def find(self, name: str) -> Repository | None:
        """Return a repository, or None if it was not created."""
        with self._lock:
            if name in self._known:
                return self._known[name]
            seen = self._changes
        found = self._describe(name)
        with self._lock:
            if seen == self._changes:
                self._known[name] = found
        return found

    def _describe(self, name: str) -> Repository | None:
        arguments = json.dumps({"repositoryNames": [name]})
        for _ in range(_ATTEMPTS):
            status, text = self._ecr("DescribeRepositories", arguments, authorization(self._key, self._region))
            if status == http.HTTPStatus.OK:
                return next((_parse(entry) for entry in json.loads(text).get("repositories") or ()), None)
            if b"RepositoryNotFound" in text:
                return None
        raise BehindError(f"DescribeRepositories for {name} answered {status}")

    def allows(self, caller: str, action: str, name: str) -> bool:
        """Whether a repository's policy lets another account do something; conditions count as met."""
        with self._lock:
            text, seen = self._policies.get(name), self._changes
        if text is None:
            text = str(self.call("GetRepositoryPolicy", {"repositoryName": name}).get("policyText") or "")
            with self._lock:
                if seen == self._changes:
                    self._policies[name] = text
        return allows(text, caller, f"ecr:{action}")

    def account_of(self, header: str) -> str:
        """Return the account that a signed call is of."""
        key = access_key(header)
        if key not in self._accounts:
            body = b"Action=GetCallerIdentity&Version=2011-06-15"
            kind = "application/x-www-form-urlencoded"
            _, text = self._post(body, {"Content-Type": kind, "Authorization": authorization(key, self._region, "sts")})
            found = re.search(rb"<Account>(\d+)</Account>", text)
            self._accounts[key] = found[1].decode() if found else ""
        return self._accounts[key]

    def call(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what moto answers; nothing if that is an error."""
        status, text = self._ecr(operation, json.dumps(arguments), authorization(self._key, self._region))
        found = json.loads(text) if status == http.HTTPStatus.OK and text else {}
        return found if isinstance(found, dict) else {}

    def change(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Have moto change something, in the account's own name."""
        body, header = json.dumps(arguments), authorization(self._key, self._region)
        if self._ecr(operation, body, header)[0] == http.HTTPStatus.OK:
            self.changed(operation, body, header)

    def changed(self, operation: str, body: str, header: str) -> None:
        """Write a call down that changed something, and forget what was known."""
        entry = json.dumps({"operation": operation, "body": body, "authorization": header})
        with self._lock:
            self._changes += 1
            self._known.clear()
            self._policies.clear()
            with self._journal.open("a") as file:
                file.write(f"{entry}\n")

    def replay(self) -> None:
        """Make all calls of the journal again, against a moto that has just started."""
        if not self._journal.exists():
            return
        for line in self._journal.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # Cut short when the machine went down.
            self._ecr(entry["operation"], entry["body"], entry["authorization"])

    def _ecr(self, operation: str, body: str, header: str) -> tuple[int, bytes]:
        named = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{TARGET}.{operation}"}
        return self._post(body.encode(), named | {"Authorization": header})

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        upstream = Upstream(self._address)
        try:
            upstream.request("POST", "/", body, dict(headers))
            answer = upstream.getresponse()
            return answer.status, answer.read()
        finally:
            upstream.close()


def _parse(entry: Mapping[str, Any]) -> Repository:
    exclusions = entry.get("imageTagMutabilityExclusionFilters") or ()
    setting = str(entry.get("imageTagMutability") or "MUTABLE")
    return Repository(str(entry["repositoryName"]), setting, tuple(str(one["filter"]) for one in exclusions))


def allows(policy: str, caller: str, action: str) -> bool:
    """Whether a repository's policy lets an account make a call, `ecr:PutImage`."""
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, LookupError, TypeError):
        return False
    names = {"*", caller, f"arn:aws:iam::{caller}:root"}
    return any(
        statement.get("Effect") == "Allow"
        and names & set(_principals(statement.get("Principal")))
        and any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in _several(statement.get("Action")))
        for statement in _several(statements)
    )


def _principals(principal: Any) -> list[Any]:
    return _several(principal.get("AWS") if isinstance(principal, dict) else principal)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
