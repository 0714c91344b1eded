"""What ECR's API answers, as values of ours. Pure.

Source: the ECR API reference (GetAuthorizationToken, DescribeRepositories, DescribeImages).
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import RegistryError, SettingsError
from tasks.reference import Digest, Registry
from tasks.registry.keychain import Credential
from tasks.registry.lifecycle import Stored


@dataclass(frozen=True)
class Token:
    """What ECR gives a client to log in with.

    Attributes:
        credential: the user and password for the registry.
        registry: the account's own registry, from `proxyEndpoint`.
        expires_at: until when it lasts, by AWS's clock.
        plain: whether `proxyEndpoint` is http, as a stand-in for AWS may say.
    """

    credential: Credential
    registry: Registry
    expires_at: datetime
    plain: bool = False

    @property
    def account(self) -> str:
        """The AWS account of the registry, or empty where its host does not say."""
        found = self.registry.ecr_account_and_region
        return found[0] if found else ""


@dataclass(frozen=True)
class TagMutability:
    """A repository's setting for moving tags.

    Attributes:
        setting: `MUTABLE`, `IMMUTABLE`, or one of them `_WITH_EXCLUSION`.
        exclusions: patterns of tags for which the contrary holds; `*` stands for any characters.
    """

    setting: str
    exclusions: tuple[str, ...] = ()

    def immutable(self, tag: str) -> bool:
        """Whether `tag`, once there, cannot be put on another image."""
        excluded = self.setting.endswith("_WITH_EXCLUSION") and any(
            re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag) for pattern in self.exclusions
        )
        return self.setting.startswith("IMMUTABLE") is not excluded


def parse_token(answer: Mapping[str, Any]) -> Token:
    """Return the token in an answer to GetAuthorizationToken; RegistryError where there is none."""
    try:
        entry = answer["authorizationData"][0]
        user, colon, password = base64.b64decode(entry["authorizationToken"], validate=True).decode().partition(":")
        endpoint = urlsplit(entry["proxyEndpoint"])
        registry = Registry(endpoint.netloc)
        expires_at = entry["expiresAt"]
    except (LookupError, ValueError, TypeError, AttributeError, SettingsError):
        # No cause: its text could hold the token.
        raise _no_token() from None
    if not colon or not password or endpoint.scheme not in {"http", "https"} or not isinstance(expires_at, datetime):
        raise _no_token()
    return Token(Credential(user, password), registry, expires_at, plain=endpoint.scheme == "http")


def parse_tag_mutability(answer: Mapping[str, Any]) -> dict[str, TagMutability]:
    """Return the settings of the repositories in an answer to DescribeRepositories, by their names."""
    return {
        entry["repositoryName"]: TagMutability(
            entry.get("imageTagMutability", "MUTABLE"),
            tuple(one["filter"] for one in entry.get("imageTagMutabilityExclusionFilters", ())),
        )
        for entry in answer["repositories"]
    }


def parse_images(answer: Mapping[str, Any]) -> list[Stored]:
    """Return the images in an answer to DescribeImages; those without a time or a sha256 digest are left out."""
    found = []
    for entry in answer.get("imageDetails", ()):
        pushed = entry.get("imagePushedAt")
        with contextlib.suppress(ValueError):
            if isinstance(pushed, datetime):
                found.append(Stored(Digest(entry.get("imageDigest", "")), tuple(entry.get("imageTags", ())), pushed))
    return found


def _no_token() -> RegistryError:
    return RegistryError(
        "ecr:GetAuthorizationToken: the answer holds no token for a registry",
        "see whether AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_ECR are what they should be",
    )
