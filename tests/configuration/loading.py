"""Settings as a test gives them: nothing of this machine's environment counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.configuration import settings
from tasks.configuration.settings import Settings
from tasks.errors import SettingsError


def load(
    directory: Path,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> Settings:
    return settings.load(variables or {}, environment or {}, directory, **more)


def refusal(
    directory: Path, variables: Mapping[str, str], environment: Mapping[str, str] | None = None
) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(directory, variables, environment)
    assert caught.value.next_step
    return caught.value
