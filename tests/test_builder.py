from pathlib import Path

import pytest

from tasks import builder, login
from tests.contexts import IMAGES, INGEST, QUERY, world


def test_an_image_for_the_local_engine_needs_the_builder_and_no_login(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.hold(*IMAGES)
        here.context.ask(pushes=[INGEST], loads=[QUERY])
        assert not builder.is_not_used(here.context)
        assert login.nothing_is_pushed(here.context)


@pytest.mark.parametrize("loads", [[], [INGEST]], ids=["pushes nothing", "loads one"])
def test_what_is_only_loaded_asks_no_registry(tmp_path: Path, loads: list[object]) -> None:
    with world(tmp_path) as here:
        here.context.ask(pushes=[], loads=loads)  # type: ignore[arg-type]  # Images, as parametrised.
        assert login.login(here.context) == {}
        assert builder.is_not_used(here.context) == (not loads)
        assert here.server.asked == []


def test_a_builder_that_was_named_is_made_ready_though_nothing_is_built(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.context.ask(pushes=[], loads=[], builder=True)
        assert not builder.is_not_used(here.context)
        assert login.nothing_is_pushed(here.context)
