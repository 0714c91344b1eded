"""ECR's lifecycle rules: which of them decides about an image, and when that deletes it. Pure.

Source: the Amazon ECR user guide, "Lifecycle policy properties" and "How lifecycle policies work". Age counts from the
push, and putting a tag on an image is no push.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tasks.reference import Digest

SOON = timedelta(days=14)
"""How long before a rule deletes an image there is a warning."""

A_PUSH = 2
"""How many images a push adds to a repository, at least: the image, and the record of what it was made of."""

_BY_AGE, _BY_COUNT = "sinceImagePushed", "imageCountMoreThan"


@dataclass(frozen=True)
class Stored:
    """An image that a repository holds.

    Attributes:
        digest: its digest.
        tags: the names of its tags.
        pushed: when it was pushed.
    """

    digest: Digest
    tags: tuple[str, ...]
    pushed: datetime


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        priority: the lowest number comes first.
        status: `tagged`, `untagged` or `any`.
        patterns: what an image's tags have to match, each pattern one of them; `*` stands for any characters.
        count: what is counted: `sinceImagePushed`, `imageCountMoreThan`, or something that is not known here.
        number: how many.
        archives: whether the image is archived, and not deleted.
    """

    priority: int
    status: str
    patterns: tuple[str, ...]
    count: str
    number: int
    archives: bool

    def selects(self, tags: Iterable[str]) -> bool:
        """Whether the rule is about an image with these tags."""
        names = list(tags)
        if self.status == "any":
            return True
        if self.status == "untagged":
            return not names
        return bool(names) and all(any(_matches(pattern, name) for name in names) for pattern in self.patterns)

    @property
    def counts_images(self) -> bool:
        """Whether it takes all images of the repository to know what the rule does to one."""
        return self.count == _BY_COUNT

    def __str__(self) -> str:
        """Return it for people."""
        which = f"images under {', '.join(self.patterns)}" if self.patterns else f"{self.status} images"
        until = f"{self.number} days after the push" if self.count == _BY_AGE else f"all but the last {self.number}"
        return f"lifecycle rule {self.priority} ({which}, {until})"


def parse(text: str) -> tuple[Rule, ...]:
    """Return a policy's rules in the order of their priority; ValueError where it is not a policy."""
    try:
        found = [_rule(one) for one in json.loads(text)["rules"] if _is_for_pulled_images(one["selection"])]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as fault:
        raise ValueError("not a lifecycle policy") from fault
    return tuple(sorted(found, key=lambda rule: rule.priority))


def deciding(rules: Iterable[Rule], tags: Iterable[str]) -> Rule | None:
    """Return the rule that decides about an image.

    A rule of a lower priority cannot delete what a rule of a higher one selects, whether that deletes it or not.

    Args:
        rules: in the order of their priority.
        tags: the image's.
    """
    names = list(tags)
    return next((rule for rule in rules if rule.selects(names)), None)


def warning(rule: Rule, image: Stored, images: Iterable[Stored], now: datetime) -> str:
    """Return what the rule does to an image soon, or nothing.

    Args:
        rule: the one that decides about the image.
        image: the image.
        images: all images of its repository, if the rule counts images.
        now: what ages are counted from.
    """
    what = f"{rule} {'archives' if rule.archives else 'deletes'} this image"
    if rule.count == _BY_AGE:
        age = now - image.pushed
        left = timedelta(days=rule.number) - age
        if left > SOON:
            return ""
        when = "at any time" if left <= timedelta(0) else f"in {left.days} days" if left.days else "within a day"
        return f"{what} {when}: it was pushed {age.days} days ago, and a retag is not a push"
    if rule.counts_images:
        newer = sum(one.pushed > image.pushed and rule.selects(one.tags) for one in images)
        if newer + 1 + A_PUSH <= rule.number:
            return ""
        when = "at any time" if newer >= rule.number else "at one of the next pushes"
        return f"{what} {when}: {newer} were pushed after it, records are counted, and a retag is not a push"
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
    """Whether a rule is about images that can be pulled; those in the archive cannot."""
    return bool(selection.get("storageClass", "standard") == "standard")


def _matches(pattern: str, tag: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag) is not None
