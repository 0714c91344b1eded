from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.registry.ecr_answers import TagMutability


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
