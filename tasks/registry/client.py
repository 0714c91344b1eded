"""The distribution API: the manifests of one registry, checked before they are believed.

Source: the OCI distribution specification (`spec.md`, "Endpoints"). What a registry answers is a claim: a digest is
compared with the bytes, a size is never trusted, and everything that is read has a limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from tasks.errors import CredentialsError, RegistryError
from tasks.reference import Digest, Registry, Repository, check_tag
from tasks.registry.auth import Authenticator, pull_scope, push_scope
from tasks.registry.blobs import Blobs
from tasks.registry.keychain import Keychain
from tasks.registry.message import Request, Response, other_bytes, refused
from tasks.registry.model import MANIFEST_LIMIT, MANIFEST_TYPES, OCI_INDEX, Descriptor, Manifest, media_type
from tasks.registry.single_flight import SingleFlight

if TYPE_CHECKING:
    from tasks.registry.http import Http

IMMUTABLE = "ImageTagAlreadyExistsException"
"""The code of an error about a tag that cannot be moved, in ECR's words (ECR API reference, PutImage)."""

_KEPT = (
    "push under another version (version=…), or delete that tag in the registry, or make the repository's tags mutable"
)

# In one header: registry 2.8 looks at the first Accept line only, answers 404 for an OCI index that it does not name,
# and for a Docker list the digest of one of its images.
_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES))}

_OK, _CREATED, _FORBIDDEN, _NOT_FOUND, _FIRST_SERVER_FAULT = 200, 201, 403, 404, 500
_REFUSED = frozenset({401, _FORBIDDEN})

# Harbor 412. ECR, Harbor and GitLab say "immutable", Nexus "does not allow updating assets" or "cannot be updated",
# Artifactory "overwrite".
_CONFLICTS = frozenset({409, 412})
_KEEPS = re.compile(rb"immutab|overwrit|does not allow updating|cannot be updated", re.IGNORECASE)


class Client:
    """Reads and writes one registry. Threads may share it.

    Args:
        registry: the registry.
        keychain: where the login comes from.
        http: the way there; one with its own pool where None.
        conceals: whether the registry may refuse to read what is not there, and we may begin an upload to find out.
    """

    def __init__(
        self, registry: Registry, keychain: Keychain, *, http: Http | None = None, conceals: bool = False
    ) -> None:
        self.registry = registry
        self._conceals = conceals
        if http is None:
            from tasks.registry.http import Http  # noqa: PLC0415  # urllib3 is slow to import.

            http = Http(registry)
        self._authenticator = Authenticator(http, keychain)
        self.blobs = Blobs(registry, self._authenticator)
        """What manifests refer to."""
        self._flight = SingleFlight()
        self._writable: dict[Repository, bool] = {}

    def head(self, repository: Repository, reference: str | Digest) -> Descriptor | None:
        """Ask what a tag or digest is on.

        Args:
            repository: one of this registry's.
            reference: a tag's name, or a digest.

        Returns:
            The manifest's descriptor, by what the registry says; None where the tag or the repository is not there.

        Raises:
            RegistryError: there was no answer, or another one than the two.
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
        # HEAD says neither why it was refused nor, in some registries, the digest; GET does.
        manifest = self.manifest(repository, reference)
        return None if manifest is None else manifest.descriptor

    def manifest(self, repository: Repository, reference: str | Digest) -> Manifest | None:
        """Read a manifest.

        Args:
            repository: one of this registry's.
            reference: a tag's name, or a digest.

        Returns:
            The manifest, its bytes being those of the digest; None where the tag or the repository is not there.

        Raises:
            RegistryError: there was no answer, or one that is no manifest, or not the one asked for.
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
                f"{response.asked}: the answer is no image's manifest ({name or 'no media type'})",
                "see whether DOCKER_REGISTRY is a registry's address; if so, delete that tag and push again",
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
        """Send a question about a manifest. The answer is 404 also where a refusal only hides that nothing is there.

        Quay, Artifactory and token servers that grant `pull` only for what exists refuse to read what does not exist.
        Such an answer counts as absent where this login may push to the repository.

        Raises:
            RegistryError: there was no answer.
            CredentialsError: the login was refused.
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
        """Whether the registry takes this login, and lets it begin an upload to the repository. Asked once for each."""
        if not self._conceals:
            return False
        if repository not in self._writable:
            self._flight.share(str(repository), lambda: self._look_writable(repository))
        return self._writable[repository]

    def _look_writable(self, repository: Repository) -> None:
        found = self._authenticator.accepted()
        try:
            if found:
                self.blobs.check_push(repository)
        except RegistryError as error:
            if error.temporary or not error.status:
                raise
            found = False
        self._writable[repository] = found

    def put(self, repository: Repository, reference: str | Digest, manifest: Manifest) -> Digest:
        """Put a manifest's bytes under a tag, or under their own digest.

        Args:
            repository: one of this registry's; it has to hold what the manifest refers to.
            reference: a tag's name, or the manifest's digest.
            manifest: its bytes stay as they are.

        Returns:
            The manifest's digest, which the tag is on now.

        Raises:
            RegistryError: the registry did not take it; with the code IMMUTABLE where the tag is on another manifest
                and cannot be moved. One that is on this very manifest already is success.
        """
        self._put(repository, reference, manifest)
        return manifest.digest

    def put_referrer(self, repository: Repository, manifest: Manifest) -> bool:
        """Put a manifest that is about another one, under its own digest.

        Args:
            repository: as for `put`.
            manifest: it has a subject.

        Returns:
            Whether the registry lists it by its referrers API; else whoever wants it found has to list it.

        Raises:
            RegistryError: the registry did not take it.
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
        """Raise `refusal` unless what cannot be moved is on this manifest already: ECR refuses that as well."""
        try:
            held = self.head(repository, reference)
        except RegistryError:
            raise refusal from None
        if held is None:
            raise refusal
        if held.digest != manifest.digest:
            raise RegistryError(
                f"{refusal.message}; it is on {held.digest} and cannot move to {manifest.digest}",
                refusal.next_step,
                status=refusal.status,
                code=IMMUTABLE,
            ) from refusal

    def referrers(self, repository: Repository, digest: Digest, artifact_type: str) -> Manifest | None:
        """Ask the referrers API what is about a manifest.

        Args:
            repository: one of this registry's.
            digest: the manifest.
            artifact_type: what is looked for; the registry may list others, too. No more than its first page is read.

        Returns:
            An index of what is; None where the registry has no such API.

        Raises:
            RegistryError: there was no answer, or one that is no index.
        """
        path = f"/v2/{repository.path}/referrers/{digest}?artifactType={quote(artifact_type, safe='')}"
        request = Request("GET", path, {"Accept": OCI_INDEX}, limit=MANIFEST_LIMIT)
        response = self._authenticator.send(request, pull_scope(repository))
        if response.status == _NOT_FOUND:
            return None
        if response.status != _OK:
            raise refused(response)
        index = Manifest(OCI_INDEX, response.body)
        index.json()
        return index


def _keeps_tags(response: Response) -> bool:
    """Whether a PUT was refused because the tag is there and cannot be moved, by the words that registries use."""
    return response.status in _CONFLICTS or _KEEPS.search(response.body) is not None


def _absent(request: Request) -> Response:
    return Response(_NOT_FOUND, {}, b"", f"{request.method} {request.url}")


def _manifest_path(repository: Repository, reference: str | Digest) -> str:
    name = str(reference)
    # Both are checked, so that nothing can climb out of the path.
    return f"/v2/{repository.path}/manifests/{Digest(name) if ':' in name else check_tag(name)}"


def _described(response: Response, reference: str | Digest) -> Descriptor | None:
    """Return what a HEAD's headers say, or None where they do not say all of it."""
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
    """Return a digest that can be compared; a tag, another algorithm's digest or none cannot."""
    if isinstance(text, Digest):
        return text
    try:
        return Digest(text or "")
    except ValueError:
        return None
