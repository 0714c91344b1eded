"""The distribution API's other half: the blobs of one registry, read and uploaded.

Source: the OCI distribution specification (`spec.md`, "Pulling blobs", "Pushing blobs").
"""

from __future__ import annotations

import contextlib
from urllib.parse import quote, urlsplit

from tasks.errors import RegistryError
from tasks.reference import Digest, Registry, Repository
from tasks.registry.auth import Authenticator, pull_scope, push_scope
from tasks.registry.message import DISTRUST, Request, Response, other_bytes, refused, shown
from tasks.registry.model import sha256

_OK, _CREATED, _ACCEPTED, _NOT_FOUND, _FIRST_FAULT = 200, 201, 202, 404, 400


class Blobs:
    """Reads and uploads the blobs of one registry. Threads may share it.

    Args:
        registry: the registry.
        authenticator: the way there, logged in.
    """

    def __init__(self, registry: Registry, authenticator: Authenticator) -> None:
        self._registry = registry
        self._authenticator = authenticator

    def read(self, repository: Repository, digest: Digest, limit: int) -> bytes:
        """Read one, wherever the registry keeps it.

        Args:
            repository: one of this registry's.
            digest: what the bytes must have.
            limit: how many there may be.

        Raises:
            RegistryError: there was no answer, or not those bytes.
        """
        path = f"/v2/{repository.path}/blobs/{digest}"
        response = self._authenticator.send(Request("GET", path, limit=limit, follow=True), pull_scope(repository))
        if response.status != _OK:
            raise refused(response)
        found = sha256(response.body)
        if found != digest:
            raise other_bytes(response, digest, found)
        return response.body

    def has(self, repository: Repository, digest: Digest, scope: str = "") -> bool:
        """Whether the repository has one; RegistryError where there was no answer. `scope` is to pull where empty."""
        request = Request("HEAD", f"/v2/{repository.path}/blobs/{digest}")
        response = self._authenticator.send(request, scope or pull_scope(repository))
        if response.status == _NOT_FOUND:
            return False
        # A redirect says that it is there; where it leads to may be signed for GET alone.
        if response.status >= _FIRST_FAULT:
            raise refused(response)
        return True

    def upload(self, repository: Repository, content: bytes) -> Digest:
        """Put a small one, unless it is there.

        Args:
            repository: one of this registry's.
            content: sent whole, in one request; layers of images are the engine's to push.

        Returns:
            Its digest.

        Raises:
            RegistryError: the registry did not take it.
        """
        digest = sha256(content)
        try:
            if self.has(repository, digest, push_scope(repository)):
                return digest
        except RegistryError as error:
            # Some registries refuse to read what is not there.
            if error.status not in {401, 403}:
                raise
        # "POST then PUT": registry 2.8 takes no blob with the POST.
        begin = Request("POST", f"/v2/{repository.path}/blobs/uploads/", body=b"")
        begun = self._authenticator.send(begin, push_scope(repository))
        if begun.status != _ACCEPTED:
            raise refused(begun)
        place = self._upload_place(begun, digest)
        put = Request("PUT", place, {"Content-Type": "application/octet-stream"}, content)
        response = self._authenticator.send(put, push_scope(repository))
        # A PUT that was sent twice because the first answer was lost finds no upload any more.
        if response.status != _CREATED and not self.has(repository, digest):
            raise refused(response)
        return digest

    def check_push(self, repository: Repository) -> None:
        """See whether this login may push: begin an upload, and give it up.

        Raises:
            RegistryError: it may not, or there was no answer.
        """
        begin = Request("POST", f"/v2/{repository.path}/blobs/uploads/", body=b"")
        begun = self._authenticator.send(begin, push_scope(repository))
        if begun.status != _ACCEPTED:
            raise refused(begun)
        # A registry that cannot cancel one, as ECR cannot, lets it end by itself; there is nothing in it.
        with contextlib.suppress(RegistryError):
            path = self._upload_place(begun)
            self._authenticator.send(Request("DELETE", path), push_scope(repository))

    def _upload_place(self, begun: Response, digest: Digest | None = None) -> str:
        """Return the path to which a blob is put; it takes the login along, so it has to be this registry's."""
        location = begun.headers.get("Location", "")
        try:
            parts = urlsplit(location)
        except ValueError:
            parts = urlsplit("")
        if not parts.path.startswith("/") or parts.netloc not in {"", self._registry.host}:
            raise RegistryError(
                f"{begun.asked}: the registry names {shown(location)!r} as the place for a blob, which is not its own",
                DISTRUST,
                status=begun.status,
            )
        query = [parts.query] if parts.query else []
        if digest is not None:
            query.append(f"digest={quote(str(digest), safe='')}")
        return parts.path + ("?" + "&".join(query) if query else "")
