"""Amazon ECR: its token, its repositories, tag mutability, push times and lifecycle policies.

Source: the ECR API reference. boto3 finds AWS's endpoints, profiles and logins. Images are read and written through the
distribution API, as in any other registry.

A login of one account can push to the registry of another. Every call names the registry's account, except
GetAuthorizationToken: its token is valid for every registry that the login may use, and naming one is deprecated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.configuration.settings import Settings
from tasks.errors import RegistryError
from tasks.reference import Digest, Registry, Repository, Tag
from tasks.registry.aws_client import AwsClient, dns_suffix
from tasks.registry.aws_faults import (
    DENIED,
    UNREADABLE,
    another_account,
    failed,
    refused,
    rights_denied,
    unreadable,
)
from tasks.registry.backend import Backend
from tasks.registry.credentials import Credential, Keychain
from tasks.registry.ecr_answers import (
    Stored,
    TagMutability,
    Token,
    deciding,
    parse_images,
    parse_policy,
    parse_tag_mutability,
    parse_token,
    warning,
)
from tasks.system.text import one_line

TOKEN_MARGIN = timedelta(minutes=15)
"""How long before its expiry a token is replaced, so that a push can end with the token that it began with."""

NAMES_AT_ONCE = 100
"""How many names one DescribeRepositories call accepts."""

A_PAGE = 1000
"""How many images one page of DescribeImages has."""

_NOT_FOUND = 404


class Ecr(Backend):
    """The backend of ECR in one Region, with one login; `tasks.registry.backend.Backend` says what each method is for.

    Threads may share it; nothing is asked before it is needed.

    Args:
        region: the Region; by default the one that boto3 finds.
        account: the account of the registry; by default the login's own.
        environment: the variables with AWS's endpoint and login; by default those of this process.
        now: tells the time that tokens expire by.
    """

    conceals = False  # ECR answers 404 for what does not exist; its refusals are about rights.
    creates_repositories = True
    no_push_time = "ECR's API does not find the image"

    def __init__(
        self,
        region: str | None = None,
        *,
        account: str | None = None,
        environment: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._region = region or None
        self._account = account or ""
        self._aws = AwsClient(region, environment)
        self._now = now
        self._token_lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at: datetime | None = None

    @classmethod
    def open(cls, settings: Settings, environment: Mapping[str, str], _keychain: Keychain) -> Ecr:
        """Return the backend for a run, which logs in to AWS and not with the user's Docker logins."""
        return cls(settings.region, account=settings.account, environment=settings.aws_environment(environment))

    def host(self) -> Registry:
        """Return the registry of the account in the Region; if they are not set, that of the login's own account."""
        if self._account and self._region:
            return Registry(f"{self._account}.dkr.ecr.{self._region}.{dns_suffix(self._region)}")
        return self.registry()

    def log_in(self) -> None:
        """Fetch the token."""
        self.token()

    def credential(self, _registry: Registry, *, fresh: bool = False) -> Credential:
        """Return the token's credential."""
        return self.token(fresh=fresh).credential

    def token(self, *, fresh: bool = False) -> Token:
        """Return the token, fetched once, again before it expires, and if the registry refused it (`fresh`)."""
        with self._token_lock:
            due = self._renew_at is not None and self._now() >= self._renew_at
            if self._token is None or fresh or due:
                self._token = parse_token(self._ask("GetAuthorizationToken"))
                # A token that has already expired (moto's, in 2015) is used until the registry refuses it.
                lasting = self._token.expires_at > self._now()
                self._renew_at = self._token.expires_at - TOKEN_MARGIN if lasting else None
            return self._token

    def registry(self) -> Registry:
        """Return the registry of the login's own account; RegistryError if it is http and not on loopback."""
        token = self.token()
        if token.plain and not token.registry.loopback:
            raise RegistryError(
                f"ecr:GetAuthorizationToken names http://{token.registry} as the registry; http is for loopback only",
                "set DOCKER_REGISTRY to the registry's host: DOCKER_REGISTRY=localhost:<port>",
            )
        return token.registry

    @property
    def foreign(self) -> tuple[str, str] | None:
        """The login's account and the registry's, if they differ; None if they are the same or not known."""
        if not self._account:
            return None
        own = self.token().account
        return (own, self._account) if own not in {"", self._account} else None

    def create_repository(self, repository: Repository) -> bool | RegistryError:
        """Create a repository in the login's own account if it does not exist.

        Returns:
            Whether it was created; or why not, if the login lacks the right or the registry is another account's.
        """
        name, accounts = repository.path, self.foreign
        if accounts is not None:
            own, theirs = accounts
            return RegistryError(
                f"{name} was not created: the registry belongs to account {theirs}, the AWS login to account {own}",
                another_account(name, self._region, own, theirs),
            )
        try:
            return bool(self._ask("CreateRepository", name, ("RepositoryAlreadyExistsException",), repositoryName=name))
        except RegistryError as refusal:
            if refusal.code not in DENIED:
                raise
            return refusal

    def immutable(self, tags: Iterable[Tag]) -> set[Tag] | None:
        """Return those of `tags` that cannot be moved once they exist; None if the login may not ask."""
        asked = set(tags)
        try:
            settings = self.tag_mutability(tag.repository.path for tag in asked)
        except RegistryError as error:
            if error.code in DENIED:
                return None
            raise
        return {tag for tag in asked if (found := settings.get(tag.repository.path)) and found.immutable(tag.name)}

    def explain_refusal(
        self, repository: Repository, fault: RegistryError, denied: RegistryError | None
    ) -> RegistryError:
        """Return the error that names the missing right or the two accounts, or the fault itself."""
        if denied is not None and denied.code in DENIED and fault.status == _NOT_FOUND:
            return denied
        accounts = self.foreign
        if accounts is None:
            return fault
        own, theirs = accounts
        return RegistryError(
            f"{fault.message}; the registry belongs to account {theirs}, the AWS login to account {own}",
            another_account(repository.path, self._region, own, theirs),
            status=fault.status,
            code=fault.code,
        )

    def missing_right(self, repository: Repository, said: str) -> str:
        """Return the next step if BuildKit's output says that ECR denied a right; empty for other faults."""
        rights = rights_denied(said)
        if not rights:
            return ""
        accounts = self.foreign
        if accounts is None:
            return f"allow {rights} for this AWS login, or use another one (AWS_PROFILE); see docs/aws-policy.md"
        own, theirs = accounts
        return (
            f"let the policy of {repository.path} in account {theirs} allow {rights} to account {own}; "
            "see docs/aws-policy.md"
        )

    def expiry(self, repository: Repository, digest: Digest, now: datetime) -> str:
        """Return what the repository's lifecycle policy soon does to an image; empty for nothing."""
        policy = self.lifecycle_policy(repository)
        images = self.images(repository, digest) if policy else []
        if not images:
            return ""
        try:
            rule = deciding(parse_policy(policy), images[0].tags)
        except ValueError:
            return ""  # The policy has a form that is newer than this code.
        if rule is None:
            return ""
        return warning(rule, images[0], self.images(repository) if rule.counts_images else (), now)

    def tag_mutability(self, names: Iterable[str]) -> dict[str, TagMutability]:
        """Return the settings of those repositories of `names` that exist, in as few calls as possible."""
        wanted = sorted(set(names))
        found: dict[str, TagMutability] = {}
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            found |= self._describe(wanted[start : start + NAMES_AT_ONCE])
        return found

    def pushed_at(self, repository: Repository, digest: Digest) -> datetime | None:
        """Return when an image was pushed; None if ECR's API does not find it."""
        found = self.images(repository, digest)
        return found[0].pushed if found else None

    def images(self, repository: Repository, digest: Digest | None = None) -> list[Stored]:
        """Return the images of a repository, or only the one with a digest."""
        which: dict[str, Any] = {"imageIds": [{"imageDigest": str(digest)}]} if digest else {"maxResults": A_PAGE}
        found: list[Stored] = []
        absent = ("ImageNotFoundException", "RepositoryNotFoundException")
        while True:
            answer = self._ask("DescribeImages", str(repository), absent, repositoryName=repository.path, **which)
            found += parse_images(answer)
            if not answer.get("nextToken"):
                return found
            which["nextToken"] = answer["nextToken"]

    def lifecycle_policy(self, repository: Repository) -> str:
        """Return the repository's lifecycle policy, as JSON; empty if it has none."""
        absent = ("LifecyclePolicyNotFoundException", "RepositoryNotFoundException")
        answer = self._ask("GetLifecyclePolicy", str(repository), absent, repositoryName=repository.path)
        return str(answer.get("lifecyclePolicyText", ""))

    def _describe(self, names: Sequence[str]) -> dict[str, TagMutability]:
        absent = ("RepositoryNotFoundException",)
        answer = self._ask("DescribeRepositories", ", ".join(names), absent, repositoryNames=list(names))
        if answer:
            return parse_tag_mutability(answer)
        # A missing repository fails the call for all of them, so each half is asked alone.
        half = len(names) // 2
        return self._describe(names[:half]) | self._describe(names[half:]) if half else {}

    def _ask(self, operation: str, about: str = "", absent: Sequence[str] = (), **arguments: Any) -> Mapping[str, Any]:
        """Return ECR's answer to a call.

        Args:
            operation: its name in the API.
            about: its subject, for an error.
            absent: the codes of the errors that mean "not found" or "exists"; the answer is then empty.
            arguments: of botocore's method.

        Raises:
            RegistryError: any other error of AWS's or botocore's.
        """
        from botocore import xform_name  # noqa: PLC0415  # Slow: only what asks AWS pays.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # As above.

        what = f"ecr:{operation}" + (f" for {one_line(about)}" if about else "")
        own = self._token.account if self._token is not None else ""
        if own and self._account and own != self._account:
            what += f" in account {self._account} (the AWS login belongs to account {own})"
        if self._account and operation != "GetAuthorizationToken":
            arguments["registryId"] = self._account
        try:
            answer: Mapping[str, Any] = getattr(self._aws.logged_in(), xform_name(operation))(**arguments)
        except ClientError as fault:
            # By the code, because botocore makes a client's exception classes at their first use and without a lock:
            # two threads at once may get two sets of classes (botocore's errorfactory.py).
            if fault.response.get("Error", {}).get("Code") in absent:
                return {}
            raise refused(what, operation, fault.response) from None
        except BotoCoreError as fault:
            raise failed(what, fault) from None
        except UNREADABLE as fault:
            raise unreadable(what, fault) from None
        return answer
