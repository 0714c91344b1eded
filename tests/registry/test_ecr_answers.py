from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.registry.ecr_answers import Rule, Stored, TagMutability, deciding, parse_policy, warning
from tasks.registry.model import sha256
from tests.integration.project import CHECKOUT

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TAGS = ("0.36.0", "inputs-abc")
SAFE = (Path(CHECKOUT) / "docs" / "ecr-lifecycle-policy.json").read_text()


def rule(number: int, status: str = "any", count: str = "sinceImagePushed", priority: int = 1, **more: Any) -> Any:
    selection = {"tagStatus": status, "countType": count, "countNumber": number, **more}
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


def policy(*rules: Any) -> str:
    return json.dumps({"rules": rules})


def image(days: float, tags: tuple[str, ...] = TAGS) -> Stored:
    return Stored(sha256(str(days).encode()), tags, NOW - timedelta(days=days))


def said(text: str, one: Stored, *others: Stored) -> str:
    """Return the warning about one image of a repository with others."""
    found = deciding(parse_policy(text), one.tags)
    return warning(found, one, [one, *others], NOW) if found else ""


# Tag mutability


@pytest.mark.parametrize(
    ("setting", "exclusions", "tag", "expected"),
    [
        ("MUTABLE", (), "0.1", False),
        ("IMMUTABLE", (), "0.1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("0.*",), "0.1", False),
        ("IMMUTABLE_WITH_EXCLUSION", ("0.*",), "1.0", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("0.*",), "0x1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("a", "*SNAPSHOT*"), "0.1-SNAPSHOT", False),
        ("MUTABLE_WITH_EXCLUSION", ("0.*",), "0.1", True),
        ("MUTABLE_WITH_EXCLUSION", ("0.*",), "1.0", False),
        ("MUTABLE", ("0.*",), "0.1", False),
    ],
)
def test_exclusions_turn_a_setting_into_its_contrary(
    setting: str, exclusions: tuple[str, ...], tag: str, *, expected: bool
) -> None:
    assert TagMutability(setting, exclusions).immutable(tag) is expected


@given(st.from_regex(r"[A-Za-z0-9._*-]{1,20}", fullmatch=True))
def test_a_pattern_matches_what_it_spells(pattern: str) -> None:
    assert not TagMutability("IMMUTABLE_WITH_EXCLUSION", (pattern,)).immutable(pattern.replace("*", "any-thing"))


# Lifecycle policies


@pytest.mark.parametrize(
    ("days", "when"),
    [(75, ""), (76.5, "in 13 days"), (89.5, "within a day"), (90, "at any time"), (400, "at any time")],
)
def test_an_image_is_warned_of_from_two_weeks_before_its_end(days: float, when: str) -> None:
    text = said(policy(rule(90)), image(days))
    assert bool(text) is bool(when)
    assert when in text


def test_the_warning_says_the_rule_the_age_and_that_a_retag_is_no_push() -> None:
    assert said(policy(rule(90, priority=7)), image(97)) == (
        "lifecycle rule 7 (any images, 90 days after the push) deletes this image at any time: "
        "it was pushed 97 days ago, and a retag does not count as a push"
    )


@pytest.mark.parametrize(
    ("selection", "tags", "selects"),
    [
        ({"status": "any"}, (), True),
        ({"status": "untagged"}, (), True),
        ({"status": "untagged"}, TAGS, False),
        ({"status": "tagged", "tagPrefixList": ["0."]}, TAGS, True),
        ({"status": "tagged", "tagPrefixList": ["1."]}, TAGS, False),
        ({"status": "tagged", "tagPrefixList": ["0.", "inputs-"]}, TAGS, True),
        ({"status": "tagged", "tagPrefixList": ["0.", "prod"]}, TAGS, False),
        ({"status": "tagged", "tagPatternList": ["*36*"]}, TAGS, True),
        ({"status": "tagged", "tagPatternList": ["36*"]}, TAGS, False),
        ({"status": "tagged", "tagPatternList": ["0.36.0"]}, TAGS, True),
        ({"status": "tagged", "tagPatternList": ["*.*", "building"]}, TAGS, False),
        ({"status": "tagged", "tagPatternList": ["*"]}, (), False),
    ],
)
def test_a_rule_selects_by_all_that_it_names(
    selection: dict[str, Any], tags: tuple[str, ...], *, selects: bool
) -> None:
    assert parse_policy(policy(rule(1, **selection)))[0].selects(tags) is selects


def test_a_rule_of_a_higher_priority_keeps_what_it_selects() -> None:
    kept = rule(9999, "tagged", "imageCountMoreThan", 1, tagPatternList=["*.*"])
    assert said(policy(rule(1, priority=2), kept), image(400)) == ""


@pytest.mark.parametrize(("newer", "when"), [(7, ""), (8, "at one of the next pushes"), (10, "at any time")])
def test_newer_images_and_records_push_an_image_out(newer: int, when: str) -> None:
    others = [image(number / 100, ()) for number in range(newer)]
    text = said(policy(rule(10, count="imageCountMoreThan")), image(5), *others)
    assert bool(text) is bool(when)
    assert when in text
    assert not when or f"{newer} images (records included) are newer" in text


def test_only_images_that_the_rule_selects_are_counted() -> None:
    text = policy(rule(3, "tagged", "imageCountMoreThan", tagPrefixList=["0."]))
    assert said(text, image(5), *(image(1, ("latest",)) for _ in range(20))) == ""


@pytest.mark.parametrize("count", ["sinceImagePulled", "sinceImageTransitioned", "somethingNew"])
def test_of_what_is_counted_otherwise_nothing_is_said(count: str) -> None:
    assert said(policy(rule(1, count=count)), image(400)) == ""


def test_a_rule_about_archived_images_is_not_about_those_that_can_be_pulled() -> None:
    assert said(policy(rule(1, storageClass="archive")), image(400)) == ""


def test_archiving_is_said_to_be_that() -> None:
    archives = {**rule(30), "action": {"type": "transition", "targetStorageClass": "archive"}}
    assert "archives this image at any time" in said(policy(archives), image(31))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": [1]}', '{"rules": [{"rulePriority": 1}]}', "[" * 100_000])
def test_what_is_not_a_policy_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a lifecycle policy"):
        parse_policy(text)


@pytest.mark.parametrize("tags", [TAGS, ("0.36.0-SNAPSHOT", "inputs-abc", "building"), ("1.0",)])
def test_the_policy_of_the_documentation_keeps_what_a_version_is_on(tags: tuple[str, ...]) -> None:
    crowd = [image(number / 10, ()) for number in range(1000)]
    assert said(SAFE, image(4000, tags), *crowd) == ""


@pytest.mark.parametrize("tags", [("inputs-abc",), ("building-0123456789abcdef",), ("building",)])
def test_the_policy_of_the_documentation_deletes_what_no_version_is_on(tags: tuple[str, ...]) -> None:
    assert "at any time" in said(SAFE, image(91, tags))


def test_the_policy_of_the_documentation_leaves_records_alone() -> None:
    assert [
        found for found in (deciding(parse_policy(SAFE), ()), deciding(parse_policy(SAFE), ("sha256-abc",))) if found
    ] == []


def test_sleepers_own_rules_end_an_image_after_a_year() -> None:
    """Untagged images after 1 day, any after 365 (its stack for artefacts)."""
    text = policy(rule(1, "untagged"), rule(365, priority=2))
    assert said(text, image(300)) == ""
    assert "lifecycle rule 2 (any images, 365 days after the push) deletes this image in" in said(text, image(360))


def test_a_rule_is_read_as_it_is() -> None:
    assert parse_policy(policy(rule(5, "tagged", tagPrefixList=["a"], tagPatternList=["b*"]))) == (
        Rule(1, "tagged", ("a*", "b*"), "sinceImagePushed", 5, archives=False),
    )
