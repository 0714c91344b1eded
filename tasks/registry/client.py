"""The client of the distribution API: reads and writes the manifests and blobs of one registry.

Source: the OCI distribution specification (`spec.md`, "Endpoints"). Nothing that a registry answers is trusted: digests
are compared with the bytes, sizes are not used, and everything that is read has a limit.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Digest, Registry, Repository, check_tag
from tasks.registry.auth import Authenticator, SingleFlight, pull_scope, push_scope
from tasks.registry.credentials import Keychain
from tasks.registry.message import DISTRUST, Request, Response, other_bytes, refused
from tasks.registry.model import MANIFEST_LIMIT, MANIFEST_TYPES, OCI_INDEX, Descriptor, Manifest, media_type, sha256
from tasks.system.backoff import Pace
from tasks.system.text import shown_url

if TYPE_CHECKING:  # It imports urllib3.
    from tasks.registry.http import Http

IMMUTABLE = "ImageTagAlreadyExistsException"
"""The code of our error for an immutable tag; ECR's own name for it (ECR API reference, PutImage)."""

_KEPT = (
    "push under another version (version=…), or delete that tag in the registry, or make the repository's tags mutable"
)

# In one header: registry 2.8 reads the first Accept line only. It answers 404 for an OCI index that the line does not
# name, and for a Docker list the digest of one of its images.
_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES))}

_OK, _CREATED, _ACCEPTED, _FIRST_FAULT, _FORBIDDEN, _NOT_FOUND, _FIRST_SERVER_FAULT = 200, 201, 202, 400, 403, 404, 500
_REFUSED = frozenset({401, _FORBIDDEN})

_NO_REFERRERS_API = frozenset({400, _FORBIDDEN, _NOT_FOUND, 405})
"""The answers of registries and proxies that do not know the referrers API; the specification asks for 404.

Safe to treat alike, because the referrers tag is read next: a login without the right to pull is refused there.
"""

# Harbor answers 412. ECR, Harbor and GitLab say "immutable", Nexus "does not allow updating assets" or "cannot be
# updated", Artifactory "overwrite".
_CONFLICTS = frozenset({409, 412})
_KEEPS = re.compile(rb"immutab|overwrit|does not allow updating|cannot be updated", re.IGNORECASE)


class Client:
    """Reads and writes one registry. Threads may share it.

    Every method takes a repository of this registry, and raises RegistryError for no answer, or an unsuccessful one;
    CredentialsError if the login is missing or refused.

    Args:
        http: the connections; by default new ones.
        puts: how fast manifests may be PUT, for new connections; None for no limit.
        conceals: whether the registry may answer 401 or 403 for what does not exist, and we may begin an upload to
            find out.
    """

    def __init__(
        self,
        registry: Registry,
        keychain: Keychain,
        *,
        http: Http | None = None,
        puts: Pace | None = None,
        conceals: bool = False,
    ) -> None:
        self.registry = registry
        self._conceals = conceals
        self._authenticator = Authenticator(http or _connect(registry, puts), keychain)
        self._flight = SingleFlight()
        self._writable: dict[Repository, bool] = {}

    def head(self, repository: Repository, reference: str | Digest) -> Descriptor | None:
        """Return the descriptor of the manifest that a tag or digest points to, as the registry describes it.

        None if the tag or the repository does not exist.
        """
        response = self._ask(repository, Request("HEAD", _manifest_path(repository, reference), _ACCEPT))
        if response.status == _NOT_FOUND:
            return None
        if response.status == _OK:
            found = _described(response, reference)
            if found is not None:
                return found
        elif response.status >= _FIRST_SERVER_FAULT:
            raise refused(response)
        # HEAD gives no reason for a refusal and, in some registries, no digest; GET does.
        manifest = self.manifest(repository, reference)
        return None if manifest is None else manifest.descriptor

    def manifest(self, repository: Repository, reference: str | Digest) -> Manifest | None:
        """Return the manifest that a tag or digest points to; None if the tag or the repository does not exist.

        Raises:
            RegistryError: also if the answer is not a manifest, or not the one with that digest.
        """
        request = Request("GET", _manifest_path(repository, reference), _ACCEPT, limit=MANIFEST_LIMIT)
        response = self._ask(repository, request)
        if response.status == _NOT_FOUND:
            return None
        if response.status != _OK:
            raise refused(response)
        name = media_type(response.headers.get("Content-Type", ""))
        if name not in MANIFEST_TYPES:
            raise RegistryError(
                f"{response.asked}: the answer is not the manifest of an image ({name or 'no media type'})",
                "check that DOCKER_REGISTRY is the address of a registry; if so, delete that tag and push again",
                status=response.status,
            )
        manifest = Manifest(name, response.body)
        asked = _digest(reference)
        for expected in (asked, _digest(response.headers.get("Docker-Content-Digest"))):
            if expected is not None and expected != manifest.digest:
                raise other_bytes(response, expected, manifest.digest)
        manifest.json()
        return manifest

    def _ask(self, repository: Repository, request: Request) -> Response:
        """Send a read request for a manifest; return 404 also if a refusal only conceals that it does not exist.

        Quay, Artifactory and token servers that grant `pull` only for what exists refuse to read what does not exist.
        A refusal counts as "not found" if this login may push to the repository.
        """
        try:
            response = self._authenticator.send(request, pull_scope(repository))
        except CredentialsError as refusal:
            if refusal.status not in _REFUSED or not self._may_push(repository):
                raise
        else:
            if response.status != _FORBIDDEN or not self._may_push(repository):
                return response
        try:
            response = self._authenticator.send(request, push_scope(repository))
        except CredentialsError as refusal:
            if refusal.status not in _REFUSED:
                raise
            return _absent(request)
        return _absent(request) if response.status == _FORBIDDEN else response

    def _may_push(self, repository: Repository) -> bool:
        """Whether the registry accepts this login and lets it push. Asked once for each repository."""
        if not self._conceals:
            return False
        if repository not in self._writable:
            self._flight.share(str(repository), lambda: self._find_writable(repository))
        return self._writable[repository]

    def _find_writable(self, repository: Repository) -> None:
        found = self._authenticator.accepted()
        try:
            if found:
                self.check_push(repository)
        except RegistryError as error:
            if error.temporary or not error.status:
                raise
            found = False
        self._writable[repository] = found

    def put(self, repository: Repository, reference: str | Digest, manifest: Manifest) -> Digest:
        """Put a manifest, unchanged, under a tag or its own digest; return the digest, which the tag now points to.

        The repository must hold what the manifest refers to.

        Raises:
            RegistryError: also with the code IMMUTABLE, if the tag points to another manifest and cannot be moved. A
                tag that already points to this manifest counts as success.
        """
        self._put(repository, reference, manifest)
        return manifest.digest

    def put_referrer(self, repository: Repository, manifest: Manifest) -> bool:
        """Put a manifest that has a subject, under its own digest.

        Returns:
            Whether the registry says that its referrers API lists the manifest. If not, the caller must list it.
        """
        # "Pushing Manifests with Subject".
        return "OCI-Subject" in self._put(repository, manifest.digest, manifest).headers

    def _put(self, repository: Repository, reference: str | Digest, manifest: Manifest) -> Response:
        request = Request(
            "PUT", _manifest_path(repository, reference), {"Content-Type": manifest.media_type}, manifest.content
        )
        response = self._authenticator.send(request, push_scope(repository))
        if response.status not in {_OK, _CREATED}:
            if not _keeps_tags(response):
                raise refused(response)
            self._check_kept(repository, reference, manifest, refused(response, _KEPT))
            return response
        taken = _digest(response.headers.get("Docker-Content-Digest"))
        if taken is not None and taken != manifest.digest:
            raise other_bytes(response, manifest.digest, taken)
        return response

    def _check_kept(
        self, repository: Repository, reference: str | Digest, manifest: Manifest, refusal: RegistryError
    ) -> None:
        """Raise `refusal` unless the tag already points to this manifest, which ECR refuses as well."""
        try:
            held = self.head(repository, reference)
        except RegistryError:
            raise refusal from None
        if held is None:
            raise refusal
        if held.digest != manifest.digest:
            raise RegistryError(
                f"{refusal.message}; the tag points to {held.digest} and cannot be moved to {manifest.digest}",
                refusal.next_step,
                status=refusal.status,
                code=IMMUTABLE,
            ) from refusal

    def referrers(self, repository: Repository, digest: Digest, artifact_type: str) -> Manifest | None:
        """Ask the referrers API for the artifacts of a type whose subject is a manifest.

        Returns:
            An index of them, of which only the first page is read; the registry may list other types, too. None if the
            registry has no such API.
        """
        path = f"/v2/{repository.path}/referrers/{digest}?artifactType={quote(artifact_type, safe='')}"
        request = Request("GET", path, {"Accept": OCI_INDEX}, limit=MANIFEST_LIMIT)
        response = self._authenticator.send(request, pull_scope(repository))
        if response.status in _NO_REFERRERS_API:
            return None
        if response.status != _OK:
            raise refused(response)
        index = Manifest(OCI_INDEX, response.body)
        index.json()
        return index

    # Blobs

    def blob(self, repository: Repository, digest: Digest, limit: int) -> bytes | None:
        """Return a blob of at most `limit` bytes, wherever the registry stores it; None if it does not exist.

        Raises:
            RegistryError: also if the bytes do not have that digest.
        """
        path = f"/v2/{repository.path}/blobs/{digest}"
        response = self._authenticator.send(Request("GET", path, limit=limit, follow=True), pull_scope(repository))
        if response.status == _NOT_FOUND:
            return None
        if response.status != _OK:
            raise refused(response)
        found = sha256(response.body)
        if found != digest:
            raise other_bytes(response, digest, found)
        return response.body

    def has_blob(self, repository: Repository, digest: Digest, scope: str = "") -> bool:
        """Whether the repository has a blob. `scope` is by default the one to pull."""
        request = Request("HEAD", f"/v2/{repository.path}/blobs/{digest}")
        response = self._authenticator.send(request, scope or pull_scope(repository))
        if response.status == _NOT_FOUND:
            return False
        # A redirect means that it exists. It is not followed: its target may be signed for GET only.
        if response.status >= _FIRST_FAULT:
            raise refused(response)
        return True

    def upload(self, repository: Repository, content: bytes) -> Digest:
        """Put a small blob in one request, unless it exists; return its digest. The engine pushes images' layers."""
        digest = sha256(content)
        try:
            if self.has_blob(repository, digest, push_scope(repository)):
                return digest
        except RegistryError as error:
            # Some registries refuse to read what does not exist.
            if error.status not in _REFUSED:
                raise
        # "POST then PUT": registry 2.8 does not accept the blob with the POST.
        place = self._upload_place(self._begin_upload(repository), digest)
        put = Request("PUT", place, {"Content-Type": "application/octet-stream"}, content)
        response = self._authenticator.send(put, push_scope(repository))
        # A PUT that was sent twice because its first answer was lost finds the upload completed.
        if response.status != _CREATED and not self.has_blob(repository, digest):
            raise refused(response)
        return digest

    def check_push(self, repository: Repository) -> None:
        """Check that this login may push, by beginning an upload and cancelling it."""
        begun = self._begin_upload(repository)
        # If it cannot be cancelled, as in ECR, it expires; it holds no bytes.
        with contextlib.suppress(RegistryError):
            self._authenticator.send(Request("DELETE", self._upload_place(begun)), push_scope(repository))

    def _begin_upload(self, repository: Repository) -> Response:
        begin = Request("POST", f"/v2/{repository.path}/blobs/uploads/", body=b"")
        begun = self._authenticator.send(begin, push_scope(repository))
        if begun.status != _ACCEPTED:
            raise refused(begun)
        return begun

    def _upload_place(self, begun: Response, digest: Digest | None = None) -> str:
        """Return the path of an upload. The login is sent there, so it must be on this registry's host."""
        location = begun.headers.get("Location", "")
        try:
            parts = urlsplit(location)
        except ValueError:
            parts = urlsplit("")
        if not parts.path.startswith("/") or parts.netloc not in {"", self.registry.host}:
            raise RegistryError(
                f"{begun.asked}: the registry names {shown_url(location)!r} for the upload, which is on another host",
                DISTRUST,
                status=begun.status,
            )
        query = [parts.query] if parts.query else []
        if digest is not None:
            query.append(f"digest={quote(str(digest), safe='')}")
        return parts.path + ("?" + "&".join(query) if query else "")


def _connect(registry: Registry, puts: Pace | None) -> Http:
    from tasks.registry.http import Http  # noqa: PLC0415  # It imports urllib3: only what asks a registry pays.

    return Http(registry, puts=puts)


def _keeps_tags(response: Response) -> bool:
    """Whether a PUT was refused because the tag exists and cannot be moved, by the words that registries use."""
    return response.status in _CONFLICTS or _KEEPS.search(response.body) is not None


def _absent(request: Request) -> Response:
    return Response(_NOT_FOUND, {}, b"", f"{request.method} {request.url}")


def _manifest_path(repository: Repository, reference: str | Digest) -> str:
    name = str(reference)
    # Both are validated, so neither can leave the path.
    return f"/v2/{repository.path}/manifests/{Digest(name) if ':' in name else check_tag(name)}"


def _described(response: Response, reference: str | Digest) -> Descriptor | None:
    """Return the descriptor in a HEAD's headers; None if a part of it is missing."""
    digest = _digest(response.headers.get("Docker-Content-Digest"))
    name = media_type(response.headers.get("Content-Type", ""))
    size = response.headers.get("Content-Length", "")
    if digest is None or name is None or not (size.isascii() and size.isdecimal()):
        return None
    asked = _digest(reference)
    if asked is not None and asked != digest:
        raise other_bytes(response, asked, digest)
    return Descriptor(name, digest, int(size))


def _digest(text: str | Digest | None) -> Digest | None:
    """Return a sha256 digest; None for a tag, a digest of another algorithm, or nothing."""
    if isinstance(text, Digest):
        return text
    try:
        return Digest(text or "")
    except ValueError:
        return None
