"""Amazon ECR's own side: its token, its repositories, whether their tags can move.

Source: the ECR API reference (GetAuthorizationToken, CreateRepository, DescribeRepositories). AWS endpoints, profiles
and logins are boto3's to find; images are read and written by the distribution API, as in any other registry.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.errors import RegistryError
from tasks.reference import Digest, Repository, Tag
from tasks.registry.aws_client import AwsClient
from tasks.registry.aws_faults import DENIED, UNREADABLE, failed, refused, unreadable
from tasks.registry.ecr_answers import TagMutability, Token, parse_tag_mutability, parse_token
from tasks.registry.message import clean

TOKEN_MARGIN = timedelta(minutes=15)
"""How long before its end a token is replaced: a push that begins with it should end with it."""

NAMES_AT_ONCE = 100
"""How many repositories DescribeRepositories takes by name."""


class Ecr:
    """ECR in one Region, with one login. Threads may share it; nothing is asked before it is needed.

    Args:
        region: the Region; boto3 finds it where None or empty.
        environment: the variables that say how AWS is reached and logged in to; this process's own where None.
        now: tells the time that tokens expire by.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._aws = AwsClient(region, environment)
        self._now = now
        self._token_lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at: datetime | None = None

    def token(self, *, fresh: bool = False) -> Token:
        """Return the token, which is fetched once and again before it ends.

        Args:
            fresh: fetch another one, as the registry refused this.

        Raises:
            CredentialsError: there is no AWS login, or AWS refused it.
            RegistryError: AWS did not answer as it should.
        """
        with self._token_lock:
            due = self._renew_at is not None and self._now() >= self._renew_at
            if self._token is None or fresh or due:
                with self._faults("GetAuthorizationToken"):
                    answer = self._client.get_authorization_token()
                self._token = parse_token(answer)
                # A token that is past its end when it comes (moto's ends in 2015) lasts until the registry refuses it.
                lasting = self._token.expires_at > self._now()
                self._renew_at = self._token.expires_at - TOKEN_MARGIN if lasting else None
            return self._token

    def create_repository(self, name: str) -> bool:
        """Create a repository, unless it is there; one that is there needs no right to create any.

        Args:
            name: `<INSTANCE_ID>/<image>`.

        Returns:
            Whether it was not there before.

        Raises:
            CredentialsError: there is no AWS login, or AWS refused it.
            RegistryError: it could not be created.
        """
        try:
            with self._faults("CreateRepository", name):
                client = self._client
                try:
                    client.create_repository(repositoryName=name)
                except client.exceptions.RepositoryAlreadyExistsException:
                    return False
        except RegistryError as error:
            if error.code in DENIED and self._exists(name):
                return False
            raise
        return True

    def _exists(self, name: str) -> bool:
        try:
            return bool(self.tag_mutability([name]))
        except RegistryError:
            return False  # What creating it met says more.

    def tag_mutability(self, names: Iterable[str]) -> dict[str, TagMutability]:
        """Return the settings of those repositories of `names` that exist, in as few calls as can be.

        Raises:
            CredentialsError: there is no AWS login, or AWS refused it.
            RegistryError: they cannot be described.
        """
        wanted = sorted(set(names))
        found: dict[str, TagMutability] = {}
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            found |= self._describe(wanted[start : start + NAMES_AT_ONCE])
        return found

    def immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        """Return those of `tags` that, once there, cannot be moved.

        Raises:
            CredentialsError: there is no AWS login, or AWS refused it.
            RegistryError: their repositories cannot be described.
        """
        asked = set(tags)
        settings = self.tag_mutability(tag.repository.path for tag in asked)
        return {
            tag
            for tag in asked
            if tag.repository.path in settings and settings[tag.repository.path].immutable(tag.name)
        }

    def pushed_at(self, repository: Repository, digest: Digest) -> datetime | None:
        """Return when an image was pushed; None where ECR's API knows no such image.

        Raises:
            CredentialsError: there is no AWS login, or AWS refused it.
            RegistryError: the image cannot be described.
        """
        with self._faults("DescribeImages", str(repository)):
            client = self._client
            unknown = (client.exceptions.ImageNotFoundException, client.exceptions.RepositoryNotFoundException)
            try:
                answer = client.describe_images(repositoryName=repository.path, imageIds=[{"imageDigest": str(digest)}])
            except unknown:
                return None
        details = answer.get("imageDetails", ())
        found = details[0].get("imagePushedAt") if details else None
        return found if isinstance(found, datetime) else None

    def _describe(self, names: Sequence[str]) -> dict[str, TagMutability]:
        with self._faults("DescribeRepositories", ", ".join(names)):
            client = self._client
            try:
                answer = client.describe_repositories(repositoryNames=list(names))
            except client.exceptions.RepositoryNotFoundException:
                # One that is missing fails the call for all, so halves are asked until it stands alone.
                half = len(names) // 2
                return self._describe(names[:half]) | self._describe(names[half:]) if half else {}
        return parse_tag_mutability(answer)

    @property
    def _client(self) -> Any:
        return self._aws.logged_in()

    @contextmanager
    def _faults(self, operation: str, about: str = "") -> Iterator[None]:
        """Turn what botocore raises into our errors."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # Slow: only what asks AWS pays.

        what = f"ecr:{operation}" + (f" for {clean(about)}" if about else "")
        try:
            yield
        except ClientError as fault:
            raise refused(what, operation, fault.response) from None
        except BotoCoreError as fault:
            raise failed(what, fault) from None
        except UNREADABLE as fault:
            raise unreadable(what, fault) from None
