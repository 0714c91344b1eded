"""How property tests run: on the same cases each time in CI, so that a change alone decides; and without a deadline."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("anywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "anywhere")
