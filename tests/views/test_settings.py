from __future__ import annotations

from pathlib import Path

from tasks.configuration import settings
from tasks.views.settings import as_object, as_text


def test_origins_stand_in_one_column(tmp_path: Path) -> None:
    found = settings.load({"instance_id": "a-rather-long-name-for-an-instance"}, {}, tmp_path)
    lines = as_text(found).splitlines()
    assert {line.rindex(found.origins[line.split()[0]]) for line in lines} == {lines[1].index("command line")}


def test_no_stacks_are_told_from_every_image(tmp_path: Path) -> None:
    assert "none" in as_text(settings.load({"stacks": "none"}, {}, tmp_path))
    assert as_object(settings.load({"stacks": "none"}, {}, tmp_path))["STACKS"]["value"] == ()
