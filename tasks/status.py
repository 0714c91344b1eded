"""How the selected images stand: what each version tag is on in the registry, and whether that is what is here.

    decisions (one look at all tags) ─▶ what each version tag is on ─▶ registry.images ────▶ Status
                                                                     └▶ lifecycle rules ────┘

Nothing is remembered: every answer is the registry's, of this moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.decision import Blocked, Decision, reason, state
from tasks.errors import RegistryError
from tasks.model import Image
from tasks.reference import Digest, Repository
from tasks.registry.model import Answer
from tasks.session import Session
from tasks.system.parallel import Pool

if TYPE_CHECKING:  # Slow to import; only what asks the registry pays for it.
    from tasks.registry.images import Deployed


_MOST_NAMED = 3
"""How many missing parts of an image are named."""


@dataclass(frozen=True)
class ImageStatus:
    """One image.

    Attributes:
        image: the image.
        repository: where it is.
        state: one of `tasks.decision.STATES`: what a push would do.
        reason: why that; empty where the image is current.
        digest: what the version tag is on; None where there is no such tag, or no answer.
        held: the image under it; None where there is none, or it could not be read.
        fault: why it could not be read, or what the registry has lost of it; or empty.
        expiry: what a lifecycle rule of its repository does to it soon, or empty.
    """

    image: Image
    repository: Repository
    state: str
    reason: str
    digest: Digest | None
    held: Deployed | None
    fault: str
    expiry: str = ""

    @property
    def answered(self) -> bool:
        """Whether the registry said all that was asked about the image, and has all of it."""
        return self.state != "unknown" and not self.fault


@dataclass(frozen=True)
class Status:
    """All images.

    Attributes:
        prefix: what stands before `/<image>` in every repository.
        version: the version tag.
        images: the selected ones, in the catalogue's order.
        no_push_time: why the registry may not say when an image was pushed.
        fault: why it could not be asked for that, or empty.
        expiry_fault: why it did not say which lifecycle rules there are, or empty.
    """

    prefix: str
    version: str
    images: tuple[ImageStatus, ...]
    no_push_time: str
    fault: str
    expiry_fault: str = ""


def look(session: Session, now: datetime, *, deep: bool = False) -> Status:
    """Look at all selected images.

    Args:
        session: the run's session.
        now: what ages are counted from.
        deep: ask for each of their manifests, configs and layers, too.

    Raises:
        SleeperImagesError: nothing says where images go, or under which version.
    """
    from tasks.registry.images import inspect  # noqa: PLC0415  # Only a command that asks the registry pays for it.

    session.settings.require_destination(inputs=False)
    images, version, target = session.selected, session.version, session.target
    session.ask(pushes=images, loads=())
    decided = {image.name: session.decisions.of(image) for image in images}
    tags = _version_tags(session, decided)
    wanted = {
        image.name: (session.repository(image), tag.digest)
        for image in images
        if (tag := tags[image.name]) is not None and not isinstance(tag, RegistryError)
    }
    answers = inspect(session.client, wanted, target.backend.pushed_at, deep=deep)
    expiries, expiry_fault = _expiries(session, wanted, now)
    rows = []
    for image in images:
        tag = tags[image.name]
        fault = str(tag) if isinstance(tag, RegistryError) else ""
        held = answers.images.get(image.name)
        if image.name in wanted and held is None:
            fault = "it was deleted while it was looked at\n  next: run again"
        if isinstance(held, RegistryError):
            held, fault = None, str(held)
        fault = fault or (_incomplete(image, held.missing) if held is not None else "")
        decision = decided[image.name]
        rows.append(
            ImageStatus(
                image=image,
                repository=session.repository(image),
                state=state(decision),
                reason=reason(decision),
                digest=wanted[image.name][1] if image.name in wanted else None,
                held=held,
                fault="" if fault == reason(decision) else fault,
                expiry=expiries.get(image.name, ""),
            )
        )
    fault = str(answers.fault) if answers.fault is not None else ""
    return Status(target.prefix, version, tuple(rows), target.backend.no_push_time, fault, expiry_fault)


def _expiries(
    session: Session, wanted: Mapping[str, tuple[Repository, Digest]], now: datetime
) -> tuple[dict[str, str], str]:
    """Return by image what a lifecycle rule does to it soon, and why that is not known of some."""
    from tasks.registry.images import WORKERS  # noqa: PLC0415  # As above.

    found, fault = {}, ""
    with Pool(WORKERS) as pool:
        asked = {name: pool.submit(session.target.backend.expiry, *place, now) for name, place in wanted.items()}
        for name, answer in asked.items():
            try:
                found[name] = answer.result()
            except RegistryError as error:
                fault = fault or str(error)
    return found, fault


def _incomplete(image: Image, digests: Sequence[Digest]) -> str:
    from tasks.registry.proof import repair  # noqa: PLC0415  # As above.

    if not digests:
        return ""
    named = ", ".join(digest.short for digest in digests[:_MOST_NAMED])
    more = f" and {len(digests) - _MOST_NAMED} more" if len(digests) > _MOST_NAMED else ""
    return f"incomplete in the registry: not there: {named}{more}\n  next: {repair(image)}"


def _version_tags(session: Session, decided: Mapping[str, Decision]) -> dict[str, Answer]:
    """Return what each version tag is on, from the look that was decided by, and for the others from one of their own.

    An image that could not be decided on for want of its files is deployed all the same.
    """
    from tasks.registry.images import look as look_at  # noqa: PLC0415  # As above.

    found = {image.name: session.decisions.held(image).get(session.version) for image in session.selected}
    unasked = [
        image
        for image in session.selected
        if isinstance(decided[image.name], Blocked) and session.version not in session.decisions.held(image)
    ]
    if unasked:
        wanted = {image.name: (session.repository(image), (session.version,)) for image in unasked}
        answers = look_at(session.client, wanted)
        found |= {name: tags[session.version] for name, tags in answers.items()}
    return found
