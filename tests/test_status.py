from __future__ import annotations

from tests.views.test_status import EVERY


def test_an_image_about_which_something_is_not_known_is_not_answered() -> None:
    assert [one.image.name for one in EVERY.images if not one.answered] == [
        "bulk-export-planner",
        "partition-splitter-lambda",
    ]
