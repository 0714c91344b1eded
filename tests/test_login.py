import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from tasks import login
from tests.contexts import IMAGES, INGEST, world


def test_nothing_is_logged_in_to_where_everything_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = tmp_path / "helpers"
    helpers.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(helpers))
    with world(tmp_path) as here:
        here.hold(*IMAGES)
        assert login.login(here.context) == {}
        assert list(helpers.iterdir()) == []


def test_one_image_to_push_needs_the_login(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.hold(INGEST)
        assert login.login(here.context) == {"registry": str(here.server.registry)}
        assert "DOCKER_CONFIG" in here.context.docker.environment(logged_in=True)


def test_a_helper_that_the_user_chose_for_the_host_has_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path, registry="ecr") as here:
        (tmp_path / ".docker").mkdir()
        (tmp_path / ".docker" / "config.json").write_text(
            json.dumps({"credHelpers": {str(here.server.registry): "chosen"}})
        )
        program = tmp_path / "bin" / "docker-credential-chosen"
        program.write_text('#!/bin/sh\necho "{\\"Username\\": \\"AWS\\", \\"Secret\\": \\"of $AWS_PROFILE\\"}"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
        monkeypatch.setenv("AWS_PROFILE", "production")
        given = here.context.docker.environment(logged_in=True)
        assert "AWS_PROFILE" not in given
        told = subprocess.run(
            [f"{given['DOCKER_CONFIG']}/docker-credential-sleeper-images", "get"],
            input=str(here.server.registry), env=given, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(told.stdout)["Secret"] == "of production"
