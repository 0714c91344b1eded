from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.commands.settings import as_object, as_text
from tasks.configuration import settings
from tasks.configuration.settings import SETTINGS

DODO = "from tasks.graph.load import load\n\nload()\n"
"""The command needs a context and no task."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dodo.py").write_text(DODO)
    return tmp_path


def doit(project: Path, *words: str, **exported: str) -> subprocess.CompletedProcess[str]:
    ours = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    argv = [sys.executable, "-m", "tasks", "settings", *words]
    return subprocess.run(argv, cwd=project, env=ours | exported, capture_output=True, text=True, check=False)


def test_the_command_prints_each_variable_with_value_and_origin(project: Path) -> None:
    done = doit(project, "stacks=IngestStack,QueryStack", INSTANCE_ID="mine")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
    assert list(lines) == list(SETTINGS)
    assert lines["INSTANCE_ID"] == ["mine", "environment variable INSTANCE_ID"]
    assert lines["STACKS"] == ["IngestStack,QueryStack", "command line"]
    assert lines["FORCE"] == ["false", "default"]
    assert lines["REGION"] == ["-", "the AWS profile, when a task asks"]


def test_the_command_prints_json(project: Path) -> None:
    found = json.loads(doit(project, "--json", "builder_options=network=host", "images=ingest").stdout)
    assert found["BUILDER_OPTIONS"] == {"value": {"network": "host"}, "origin": "command line"}
    assert found["IMAGES"]["value"] == ["ingest"]
    assert found["ACCOUNT"]["value"] is None


def test_an_unknown_variable_ends_the_command_with_a_suggestion_and_no_traceback(project: Path) -> None:
    done = doit(project, "instanceid=mine")
    assert done.returncode == 3
    assert "unknown variable 'instanceid'; did you mean 'instance_id'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_relative_paths_start_where_the_command_was_called(project: Path) -> None:
    (project / "x.properties").write_text("sleeper.id=filed\n")
    done = doit(project, "--json", "instance_properties=x.properties")
    assert json.loads(done.stdout)["INSTANCE_ID"]["value"] == "filed"


def test_origins_stand_in_one_column(tmp_path: Path) -> None:
    found = settings.load({"instance_id": "a-rather-long-name-for-an-instance"}, {}, tmp_path)
    lines = as_text(found).splitlines()
    assert {line.rindex(found.origins[line.split()[0]]) for line in lines} == {lines[0].index("command line")}


def test_no_stacks_are_told_from_every_image(tmp_path: Path) -> None:
    assert "none" in as_text(settings.load({"stacks": "none"}, {}, tmp_path))
    assert as_object(settings.load({"stacks": "none"}, {}, tmp_path))["STACKS"]["value"] == ()
