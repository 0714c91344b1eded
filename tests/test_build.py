from pathlib import Path

import pytest

from tasks import build
from tasks.engine import minimum
from tests.sessions import IMAGES, VERSION, world


def test_an_engine_that_hangs_is_asked_once_and_holds_nothing_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minimum, "SECONDS", 0.3)
    with world(tmp_path) as here:
        docker = tmp_path / "bin" / "docker"
        docker.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nexec /bin/sleep 60\n")
        docker.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        for image in IMAGES:
            fingerprint = here.session.decisions.gathered(image).inputs.fingerprint()
            remembered = {"fingerprint": fingerprint, "name": f"{image.name}:{VERSION}", "id": "sha256:x"}
            assert not build.is_loaded(here.session, image, remembered)
    assert (tmp_path / "asked").read_text() == "asked\n"
