"""The API's side: moto's, but for what ECR knows of images, which is what the registry holds."""

from __future__ import annotations

import json
import sys
from typing import Any

from sandbox.front.exchange import BehindError, Exchange
from sandbox.front.images import FaultError, Images
from sandbox.front.repositories import TARGET, as_key, changes
from sandbox.front.rules import Ecr

_LARGEST = 64 * 1024 * 1024
_OK, _BAD_REQUEST, _TOO_LARGE, _UNAVAILABLE = 200, 400, 413, 503
_JSON = ("Content-Type", "application/x-amz-json-1.1")


class Handler(Exchange):
    """A client of the API."""

    ecr: Ecr
    images: Images
    key = ""
    """An access key of the account."""

    def answer(self) -> None:
        """Answer one request."""
        try:
            self._answer()
        except BehindError as fault:
            sys.stderr.write(f"API: {fault}\n")
            self.send(_UNAVAILABLE, [], b"the sandbox's API does not answer; see its log\n")

    def _answer(self) -> None:
        content = self.body(_LARGEST)
        if content is None:
            self.send(_TOO_LARGE, [])
            return
        service, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        if service != TARGET:
            self.pass_on(self.ask(self.path, content))
            return
        header = self.headers.get("Authorization", "")
        arguments = _arguments(content)
        account = self.ecr.registry.account
        ours = arguments.get("registryId") == account
        if ours:
            # moto looks at the caller's account alone; ECR at the registry's.
            header = as_key(header, self.key)
        if (ours or not arguments.get("registryId")) and self.ecr.repositories.account_of(header) == account:
            try:
                answer = self.images.answer(operation, arguments)
            except FaultError as fault:
                self._json(_BAD_REQUEST, {"__type": fault.kind, "message": fault.message})
                return
            if answer is not None:
                self._json(_OK, answer)
                return
        self._forward(operation, content, header, arguments)

    def _forward(self, operation: str, content: bytes, header: str, arguments: dict[str, Any]) -> None:
        found = self.ask(self.path, content, {"Authorization": header} if header else {})
        if found.status == _OK and changes(operation):
            self.ecr.repositories.changed(operation, content.decode(), header)
            if operation == "DeleteRepository":
                self.ecr.disk.forget(str(arguments.get("repositoryName")))
        self.pass_on(found)

    def _json(self, status: int, answer: dict[str, Any]) -> None:
        self.send(status, [_JSON], json.dumps(answer).encode())


def _arguments(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
