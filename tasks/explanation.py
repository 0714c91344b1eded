"""Why an image would be built: all there is to say of one, for `doit why`.

plan, of what would be retagged, too ─┐
its inputs, its tags ─────────────────┴▶ Explanation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.errors import SleeperImagesError
from tasks.image.fingerprint import Inputs
from tasks.model import Image
from tasks.plan import Planned, file_of, plan, where
from tasks.registry.model import Answer
from tasks.session import Session
from tasks.system.text import printable


@dataclass(frozen=True)
class Explanation:
    """All there is to say of an image.

    Attributes:
        planned: what a run would do about it.
        inputs: what it would be made of; None where that could not be read.
        tags: what the registry said of each of its tags; nothing where it was not asked.
        where: where images go, if that is known.
        version: the version tag, if that is known.
    """

    planned: Planned
    inputs: Inputs | None
    tags: Mapping[str, Answer]
    where: str | None
    version: str | None

    def file(self, path: str) -> str:
        """Return what people call a file of the image's context."""
        return printable(file_of(self.planned.image, self.version, path))


def explain(session: Session, image: Image) -> Explanation:
    """Say all there is to say of an image."""
    (planned,) = plan(session, [image], {}, whole=True).images
    try:
        inputs = session.decisions.collected(image).inputs
    except SleeperImagesError:
        inputs = None  # That is the decision, and told.
    return Explanation(planned, inputs, session.decisions.held(image), where(session), session.settings.version)
