"""What all tests share.

Property tests run on the same cases each time in CI, so that a change alone decides; and without a deadline. No test
knows another one's secrets, which would be missing in its texts.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tasks.system import secrets

settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("anywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "anywhere")


@pytest.fixture(autouse=True)
def _no_secrets() -> None:
    secrets.forget()
