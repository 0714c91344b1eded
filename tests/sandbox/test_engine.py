"""Which engine the user has chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.engine import _choice


@pytest.mark.parametrize("change", [{"DOCKER_HOST": "unix:///other"}, {"DOCKER_CONTEXT": "other"}, {}])
def test_another_variable_or_current_context_is_another_choice(change: dict[str, str], tmp_path: Path) -> None:
    variables = {"DOCKER_CONFIG": str(tmp_path)}
    before = _choice(variables)
    if not change:
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": "other"}))
    assert _choice(variables | change) != before
