import socket
from pathlib import Path

import pytest

from tasks import build
from tasks.engine import images
from tests.contexts import IMAGES, world

HELD = {
    "ingest:1": "sha256:a",
    "ingest:inputs-a": "sha256:a",
    "ingest:inputs-b": "sha256:b",
    "other:inputs-c": "sha256:c",
}


def test_an_engine_that_hangs_is_asked_once_and_holds_nothing_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX) as engine, world(tmp_path) as here:
        engine.bind(str(tmp_path / "engine.sock"))
        engine.listen()
        engine.settimeout(0)
        monkeypatch.setitem(here.context.environment, "DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
        assert not any(build.is_loaded(here.context, image) for image in IMAGES)
        engine.accept()[0].close()
        with pytest.raises(BlockingIOError):
            engine.accept()


def test_a_name_by_inputs_is_replaced_where_nothing_else_names_its_image() -> None:
    assert build.replaced(HELD, "ingest") == ["ingest:inputs-b"]


def test_a_name_by_inputs_stays_where_another_version_is_that_image() -> None:
    assert build.replaced(HELD | {"ingest:2": "sha256:b"}, "ingest") == []
