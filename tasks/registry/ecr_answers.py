"""What ECR's API answers, as values: tokens, tag mutability, images, and what a lifecycle policy does to them. Pure.

Sources: the ECR API reference (GetAuthorizationToken, DescribeRepositories, DescribeImages); the Amazon ECR user guide,
"Lifecycle policy properties" and "How lifecycle policies work". The age of an image counts from its push, and moving a
tag to it is not a push.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import RegistryError, SettingsError
from tasks.reference import Digest, Registry
from tasks.registry.credentials import Credential

SOON = timedelta(days=14)
"""How long before a lifecycle rule deletes an image there is a warning."""

A_PUSH = 2
"""How many images a push adds to a repository at least: the image, and the record of what it was made of."""

_BY_AGE, _BY_COUNT = "sinceImagePushed", "imageCountMoreThan"


@dataclass(frozen=True)
class Token:
    """An authorization token of ECR.

    Attributes:
        credential: the user name and password for the registry.
        registry: the registry of the login's account, from `proxyEndpoint`.
        expires_at: when it expires, by AWS's clock.
        plain: whether `proxyEndpoint` is http, as with a stand-in for AWS.
    """

    credential: Credential
    registry: Registry
    expires_at: datetime
    plain: bool = False

    @property
    def account(self) -> str:
        """The AWS account of the registry; empty if its host does not name one."""
        found = self.registry.ecr_account_and_region
        return found[0] if found else ""


@dataclass(frozen=True)
class TagMutability:
    """A repository's setting of tag mutability.

    Attributes:
        setting: `MUTABLE`, `IMMUTABLE`, or one of them with `_WITH_EXCLUSION`.
        exclusions: patterns of tags for which the opposite holds; `*` matches any characters.
    """

    setting: str
    exclusions: tuple[str, ...] = ()

    def immutable(self, tag: str) -> bool:
        """Whether `tag` cannot be moved to another image once it exists."""
        excluded = self.setting.endswith("_WITH_EXCLUSION") and any(
            _matches(pattern, tag) for pattern in self.exclusions
        )
        return self.setting.startswith("IMMUTABLE") is not excluded


@dataclass(frozen=True)
class Stored:
    """An image in a repository: its digest, the names of its tags, and when it was pushed."""

    digest: Digest
    tags: tuple[str, ...]
    pushed: datetime


def parse_token(answer: Mapping[str, Any]) -> Token:
    """Return the token in an answer to GetAuthorizationToken; RegistryError if it has none."""
    try:
        entry = answer["authorizationData"][0]
        user, colon, password = base64.b64decode(entry["authorizationToken"], validate=True).decode().partition(":")
        endpoint = urlsplit(entry["proxyEndpoint"])
        registry = Registry(endpoint.netloc)
        expires_at = entry["expiresAt"]
    except (LookupError, ValueError, TypeError, AttributeError, SettingsError):
        # Without the cause, whose text may contain the token.
        raise _no_token() from None
    if not colon or not password or endpoint.scheme not in {"http", "https"} or not isinstance(expires_at, datetime):
        raise _no_token()
    return Token(Credential(user, password), registry, expires_at, plain=endpoint.scheme == "http")


def parse_tag_mutability(answer: Mapping[str, Any]) -> dict[str, TagMutability]:
    """Return the settings of the repositories in an answer to DescribeRepositories, by name."""
    return {
        entry["repositoryName"]: TagMutability(
            entry.get("imageTagMutability", "MUTABLE"),
            tuple(one["filter"] for one in entry.get("imageTagMutabilityExclusionFilters", ())),
        )
        for entry in answer["repositories"]
    }


def parse_images(answer: Mapping[str, Any]) -> list[Stored]:
    """Return the images in an answer to DescribeImages that have a push time and a sha256 digest."""
    found = []
    for entry in answer.get("imageDetails", ()):
        pushed = entry.get("imagePushedAt")
        with contextlib.suppress(ValueError):
            if isinstance(pushed, datetime):
                found.append(Stored(Digest(entry.get("imageDigest", "")), tuple(entry.get("imageTags", ())), pushed))
    return found


def _no_token() -> RegistryError:
    return RegistryError(
        "ecr:GetAuthorizationToken: the answer has no token for a registry",
        "check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_ECR",
    )


# Lifecycle policies


@dataclass(frozen=True)
class Rule:
    """One rule of a lifecycle policy.

    Attributes:
        priority: the lowest number applies first.
        status: `tagged`, `untagged` or `any`.
        patterns: patterns for tags; `*` matches any characters.
        count: what is counted: `sinceImagePushed`, `imageCountMoreThan`, or a newer type, which never gives a warning.
        number: how many days or images.
        archives: whether it archives images instead of deleting them.
    """

    priority: int
    status: str
    patterns: tuple[str, ...]
    count: str
    number: int
    archives: bool

    def selects(self, tags: Iterable[str]) -> bool:
        """Whether the rule selects an image with these tags."""
        names = list(tags)
        if self.status == "any":
            return True
        if self.status == "untagged":
            return not names
        return bool(names) and all(any(_matches(pattern, name) for name in names) for pattern in self.patterns)

    @property
    def counts_images(self) -> bool:
        """Whether what the rule does to an image depends on the other images of the repository."""
        return self.count == _BY_COUNT

    def __str__(self) -> str:
        """Return the rule as a message names it."""
        which = f"images under {', '.join(self.patterns)}" if self.patterns else f"{self.status} images"
        until = f"{self.number} days after the push" if self.count == _BY_AGE else f"all but the last {self.number}"
        return f"lifecycle rule {self.priority} ({which}, {until})"


def parse_policy(text: str) -> tuple[Rule, ...]:
    """Return a policy's rules in the order of their priority; ValueError if the text is not a policy."""
    try:
        found = [_rule(one) for one in json.loads(text)["rules"] if _is_for_pulled_images(one["selection"])]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as fault:
        raise ValueError("not a lifecycle policy") from fault
    return tuple(sorted(found, key=lambda rule: rule.priority))


def deciding(rules: Iterable[Rule], tags: Iterable[str]) -> Rule | None:
    """Return the rule that applies to an image: the first of `rules`, in order of priority, that selects its tags.

    Later rules cannot delete what an earlier one selects, whether that one deletes it or not.
    """
    names = list(tags)
    return next((rule for rule in rules if rule.selects(names)), None)


def warning(rule: Rule, image: Stored, images: Iterable[Stored], now: datetime) -> str:
    """Return what the rule that applies to an image soon does to it; empty for nothing.

    `images` are all images of its repository, if the rule counts images.
    """
    what = f"{rule} {'archives' if rule.archives else 'deletes'} this image"
    if rule.count == _BY_AGE:
        age = now - image.pushed
        left = timedelta(days=rule.number) - age
        if left > SOON:
            return ""
        when = "at any time" if left <= timedelta(0) else f"in {left.days} days" if left.days else "within a day"
        return f"{what} {when}: it was pushed {age.days} days ago, and a retag does not count as a push"
    if rule.counts_images:
        newer = sum(one.pushed > image.pushed and rule.selects(one.tags) for one in images)
        if newer + 1 + A_PUSH <= rule.number:
            return ""
        when = "at any time" if newer >= rule.number else "at one of the next pushes"
        return f"{what} {when}: {newer} images (records included) are newer, and a retag does not count as a push"
    return ""


def _rule(one: Mapping[str, Any]) -> Rule:
    selection = one["selection"]
    prefixes = tuple(f"{prefix}*" for prefix in selection.get("tagPrefixList", ()))
    return Rule(
        int(one["rulePriority"]),
        selection["tagStatus"],
        (*prefixes, *selection.get("tagPatternList", ())),
        selection["countType"],
        int(selection["countNumber"]),
        one["action"]["type"] == "transition",
    )


def _is_for_pulled_images(selection: Mapping[str, Any]) -> bool:
    """Whether a rule selects images that can be pulled, and not those in the archive."""
    return bool(selection.get("storageClass", "standard") == "standard")


def _matches(pattern: str, tag: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag) is not None
