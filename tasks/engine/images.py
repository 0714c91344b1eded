"""The images that a Docker engine holds."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tasks import run
from tasks.errors import SleeperImagesError

SECONDS = 60.0
"""How long docker may take to answer."""


def held(reference: str, environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the names by digest that the engine knows an image by, which is none for one that was only built there.

    Args:
        reference: the image, as a FROM line has it.
        environment: for the docker command.

    Returns:
        The names; None where the engine has no such image, or none answers.
    """
    argv = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", "--", reference]
    try:
        done = run.run(argv, environment=environment, timeout=SECONDS)
        names = json.loads(done.output) if done.code == 0 else None
    except (SleeperImagesError, ValueError):
        return None
    return None if done.code != 0 else tuple(map(str, names or ()))
