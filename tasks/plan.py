"""What a run would do and why, without doing it: the decisions of the run itself, explained by what differs.

    decisions ─▶ state and reason, an image each ─┐
    what the version tag is on ─▶ records.compare ┴▶ Planned ─▶ `doit plan`, and `doit why` by tasks.explanation

The record of an image is read only where the image would be built; nothing else is asked than a run asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.decision import Blocked, Build, Current, Decision, Retag, Unknown, state
from tasks.errors import SleeperImagesError
from tasks.image.difference import Change
from tasks.image.fingerprint import inputs_tag
from tasks.image.gather import LAMBDA_JAR, Gathered
from tasks.image.told import summary
from tasks.model import Image
from tasks.reference import Digest
from tasks.session import Session
from tasks.system.parallel import Pool

if TYPE_CHECKING:  # Its imports are slow; session.records is what loads it.
    from tasks.records import Comparison

FORCED = "forced"
_EXPLAINED_AT_ONCE = 2
"""How many images a run explains at once: it lists their jars while builds need the processors, too."""


@dataclass(frozen=True)
class Planned:
    """What a run would do about one image.

    Attributes:
        task: the task that would do it.
        image: the image.
        state: `current`, `retag`, `build`, `blocked` or `unknown`.
        reason: why, in words; empty for what is current.
        next_step: what to do about it, where it is blocked or unknown.
        fingerprint: of its inputs; None where they could not be read.
        digest: what its tags are on, or would be; None where that is yet to be built.
        unpinned: the base images of which only the name counts.
        special: the files and directories whose setuid, setgid or sticky bits the image would not have.
        size: the bytes of the files that would be sent; None where that cannot be told.
        comparison: with what the version tag is on, where it was made; None where that is nothing, too.
    """

    task: str
    image: Image
    state: str
    reason: str
    next_step: str = ""
    fingerprint: str | None = None
    digest: Digest | None = None
    unpinned: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    size: int | None = None
    comparison: Comparison | None = None

    @property
    def changes(self) -> tuple[Change, ...] | None:
        """What differs from what the version tag is on; None where that cannot be told."""
        return None if self.comparison is None else self.comparison.changes

    def data(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        compared = self.comparison
        return {
            "task": self.task,
            "image": self.image.name,
            "state": self.state,
            "reason": self.reason,
            "next_step": self.next_step,
            "fingerprint": self.fingerprint,
            "digest": None if self.digest is None else str(self.digest),
            "unpinned": list(self.unpinned),
            "special_bits_dropped": list(self.special),
            "bytes": self.size,
            "compared_with": None if compared is None else str(compared.digest),
            "changes": None if self.changes is None else [change.data() for change in self.changes],
        }


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        images: one for each image, in the order of the catalogue; pushes first.
    """

    images: tuple[Planned, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many images are in each state."""
        return Counter(one.state for one in self.images)

    @property
    def size(self) -> int:
        """The bytes that would be sent, as far as that is known."""
        return sum(one.size or 0 for one in self.images)

    @property
    def unpinned(self) -> Mapping[str, list[str]]:
        """By base image of which only the name counts, the images that are built from it."""
        found: dict[str, list[str]] = {}
        for one in self.images:
            for base in one.unpinned:
                found.setdefault(base, []).append(one.image.name)
        return found

    @property
    def special(self) -> Mapping[tuple[str, ...], list[str]]:
        """By files whose special bits are not kept, the images that would be built of them."""
        found: dict[tuple[str, ...], list[str]] = {}
        for one in self.images:
            if one.special and one.state == "build":
                found.setdefault(one.special, []).append(one.image.name)
        return found


def plan(session: Session, pushes: Sequence[Image], loads: Mapping[str, bool], *, whole: bool = False) -> Plan:
    """Say what a run would do.

    Args:
        session: the run's.
        pushes: the images that it is to push.
        loads: by name, the images that it is to build into the engine, and whether the engine has them already.
        whole: whether images that need no build are compared with what their version tags are on, too.
    """
    session.decisions.expect(pushes)
    decided = {image: session.decisions.of(image) for image in pushes}
    differing = Build | Retag if whole else Build
    compared = _compare(session, [image for image, decision in decided.items() if isinstance(decision, differing)])
    planned = [_pushed(session, image, decision, compared.get(image.name)) for image, decision in decided.items()]
    planned += [_loaded(session, session.catalogue.image(name), current=current) for name, current in loads.items()]
    return Plan(tuple(planned))


def build_reasons(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the name of each image that a run builds, and why, in the order in which they are built."""
    building = [image for image in session.pushes if isinstance(session.decisions.of(image), Build)]
    with Pool(_EXPLAINED_AT_ONCE) as pool:
        for found in pool.map(lambda image: plan(session, [image], {}), building):
            yield from ((one.image.name, one.reason) for one in found.images)


def where(session: Session) -> str | None:
    """Return where images go, or None where that is not known; the reason is then told of each image."""
    try:
        return session.target.prefix if session.pushes else None
    except SleeperImagesError:
        return None


def _compare(session: Session, images: Iterable[Image]) -> Mapping[str, Comparison]:
    """Compare what images would be made of with what their version tags are on; by name, where there is such."""
    wanted = {}
    for image in images:
        held = _version_digest(session, image)
        if held is not None:
            wanted[image.name] = (session.repository(image), held, session.decisions.collected(image))
    return session.records.compare(wanted) if wanted else {}


def _version_digest(session: Session, image: Image) -> Digest | None:
    """Return what the image's version tag is on; None where there is none, or it could not be asked for."""
    answers = session.decisions.held(image)
    found = answers.get(session.version) if answers else None
    # A fault is an answer, too; it is the decision's to tell.
    return None if found is None or isinstance(found, SleeperImagesError) else found.digest


def file_of(image: Image, version: str | None, path: str) -> str:
    """Return what people call a file of an image's context: a jar by its name, others by where they are."""
    if path == LAMBDA_JAR and image.jar is not None:
        return image.jar if version is None else str(image.jar_name(version))
    return path if path.endswith(".jar") else f"docker/{image.directory}/{path}"


def _pushed(session: Session, image: Image, decision: Decision, comparison: Comparison | None) -> Planned:
    task, word = f"push:{image.name}", state(decision)
    gathered = _gathered(session, image)
    made = None if gathered is None else gathered.inputs
    known: dict[str, Any] = {
        "fingerprint": None if made is None else made.fingerprint(),
        "unpinned": () if made is None else made.unpinned,
        "special": _special(image, gathered),
    }
    match decision:
        case Current(digest):
            return Planned(task, image, word, "", digest=digest, size=0, **known)
        case Retag(digest, reason):
            return Planned(task, image, word, reason, digest=digest, size=0, comparison=comparison, **known)
        case Blocked(error) | Unknown(error):
            return Planned(task, image, word, error.message, error.next_step, **known)
    reason = _why_build(session, image, decision, comparison)
    size = None if gathered is None else _size(gathered, comparison)
    return Planned(task, image, word, reason, size=size, comparison=comparison, **known)


def _loaded(session: Session, image: Image, *, current: bool) -> Planned:
    task = f"build:{image.name}"
    try:
        gathered = session.decisions.collected(image)
    except SleeperImagesError as error:
        return Planned(task, image, "blocked", error.message, error.next_step)
    known: dict[str, Any] = {
        "fingerprint": gathered.inputs.fingerprint(),
        "unpinned": gathered.inputs.unpinned,
        "special": _special(image, gathered),
        "size": 0,
    }
    if current:
        return Planned(task, image, "current", "", **known)
    return Planned(task, image, "build", "for the local engine", **known)


def _special(image: Image, gathered: Gathered | None) -> tuple[str, ...]:
    entries = () if gathered is None else gathered.sources.entries
    return tuple(f"docker/{image.directory}/{entry.path}" for entry in entries if entry.special)


def _gathered(session: Session, image: Image) -> Gathered | None:
    try:
        return session.decisions.collected(image)
    except SleeperImagesError:
        return None


def _why_build(session: Session, image: Image, decision: Build, comparison: Comparison | None) -> str:
    if session.settings.force:
        return FORCED
    held = session.decisions.held(image)
    if held.get(inputs_tag(session.decisions.collected(image).inputs.fingerprint())) is not None:
        return decision.reason  # There is an image of these inputs, of the wrong kind.
    if comparison is None:
        return "not in the registry"
    if comparison.changes is None:
        return f"{decision.reason}; {comparison.untold}"
    if not comparison.changes:
        return f"what {session.version} is on was made of these inputs, but has lost the tag that says so"
    return summary(comparison.changes, lambda path: file_of(image, session.settings.version, path))


def _size(gathered: Gathered, comparison: Comparison | None) -> int:
    """Return the bytes of the context's files that are new to the registry, or of all where that is not known."""
    fresh = None
    if comparison is not None and comparison.changes:
        fresh = {change.name for change in comparison.changes if change.what == "context" and change.new is not None}
    stamps = gathered.sources.stamps
    return sum(
        stamps[entry.source].size
        for entry in gathered.sources.entries
        if entry.source is not None and (fresh is None or entry.path in fresh)
    )
