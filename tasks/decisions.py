"""Every image's decision, made for all images of a run together, at the first question, and kept for the run.

    collect every image's inputs ─▶ ask for every image's two tags at once ─▶ decide ─▶ ask once which version tags
    that must move are immutable

doit asks from its main thread (uptodate) and from its workers (actions), therefore a lock guards everything. `of` never
raises one of our errors: a fault is the decision (doit aborts the whole run when an uptodate raises).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.configuration.settings import Settings
from tasks.decision import Blocked, Build, Current, Decision, Retag, Unknown, decide
from tasks.errors import ChangedWhileBuildingError, InputError, RegistryError, SleeperImagesError
from tasks.image.collect import Collected, Collector
from tasks.image.fingerprint import Inputs, inputs_tag
from tasks.model import Image
from tasks.reference import Digest, Repository, Tag, check_version
from tasks.registry import proof
from tasks.registry.client import IMMUTABLE
from tasks.registry.images import look
from tasks.registry.model import Answer, Descriptor
from tasks.registry.target import Target
from tasks.system.parallel import Pool


@dataclass(frozen=True)
class Decided:
    """An image on its way to the registry: what it is made of, where it goes, what has to be done.

    Attributes:
        collected: the image, what it is made of, and where that was read.
        fingerprint: of its inputs.
        held: the registry's answers about its tags, by tag.
        decision: what has to be done; an image that is Blocked or Unknown goes nowhere.
    """

    collected: Collected
    fingerprint: str
    repository: Repository
    version: str
    held: Mapping[str, Answer]
    decision: Current | Retag | Build

    @property
    def image(self) -> Image:
        """The image."""
        return self.collected.image

    @property
    def inputs_tag(self) -> str:
        """The tag that says what the image is made of."""
        return inputs_tag(self.fingerprint)

    def fits(self, held: Descriptor) -> bool:
        """Whether a manifest has the kind that the image must have."""
        return proof.kind_fits(held, self.image)


class Decisions:
    """One decision an image. Threads may share it.

    Args:
        collector: reads what images are made of.
        target: the registry.
        settings: VERSION and FORCE are used.
        images: what the run is about: the first question is answered for all of them.
    """

    def __init__(self, collector: Collector, target: Target, settings: Settings, images: Iterable[Image] = ()) -> None:
        self._collector = collector
        self._target = target
        self._settings = settings
        self._lock = threading.RLock()
        self._collected: dict[str, Collected | SleeperImagesError] = {}
        self._held: dict[str, Mapping[str, Answer]] = {}
        self._decisions: dict[str, Decision] = {}
        self._decided: dict[str, Decided] = {}
        self._images = {image.name: image for image in images}

    def of(self, image: Image) -> Decision:
        """Return what has to be done about the image."""
        with self._lock:
            if image.name not in self._decisions:
                self._decide(image)
            return self._decisions[image.name]

    def decided(self, image: Image) -> Decided:
        """Return the image on its way to the registry.

        Raises:
            SleeperImagesError: it is Blocked or Unknown.
        """
        with self._lock:
            decision = self.of(image)
            if isinstance(decision, Blocked | Unknown):
                raise decision.error
            return self._decided[image.name]

    def collected(self, image: Image) -> Collected:
        """Return what the image is made of, as it was when it was decided on; asks no registry.

        Raises:
            SleeperImagesError: it cannot be read.
        """
        with self._lock:
            if image.name not in self._collected:
                self._collect_all(image)
            found = self._collected[image.name]
        if isinstance(found, SleeperImagesError):
            raise found
        return found

    def held(self, image: Image) -> Mapping[str, Answer]:
        """Return what the registry answered about the image's tags, by tag; empty if it was not asked."""
        with self._lock:
            self.of(image)
            return self._held.get(image.name, {})

    def known(self) -> dict[str, Decision]:
        """Return the decisions that were made, by the images' names; asks nothing."""
        with self._lock:
            return dict(self._decisions)

    def settle(self, image: Image, digest: Digest) -> None:
        """Record that both tags now point to `digest`."""
        with self._lock:
            decision = self._decisions[image.name] = Current(digest)
            self._decided[image.name] = replace(self._decided[image.name], decision=decision)

    def block(self, image: Image, error: SleeperImagesError) -> None:
        """Record that the image cannot be built or pushed."""
        with self._lock:
            self._decisions[image.name] = Blocked(error)

    def check_unchanged(self, collected: Collected) -> None:
        """Read the inputs again.

        Raises:
            ChangedWhileBuildingError: they differ from what was collected.
        """
        name = collected.image.name
        after = self._collect([collected.image])[name]
        if isinstance(after, InputError) or (isinstance(after, Collected) and after.inputs != collected.inputs):
            what = after.message if isinstance(after, InputError) else _difference(collected.inputs, after.inputs)
            raise ChangedWhileBuildingError(
                f"the inputs changed during the build ({what}); no tag was written", "run again", image=name
            )
        if isinstance(after, SleeperImagesError):
            raise after

    def _collect(self, images: Iterable[Image]) -> Mapping[str, Collected | SleeperImagesError]:
        try:
            return self._collector.collect(images)
        except SleeperImagesError as error:  # The same for every image: no SCRIPTS_DIR, for instance.
            return dict.fromkeys((image.name for image in images), error)

    def _collect_all(self, image: Image) -> None:
        """Collect the inputs of the image and of all images of the run."""
        self._images.setdefault(image.name, image)
        self._collected |= self._collect([one for name, one in self._images.items() if name not in self._collected])

    def _decide(self, image: Image) -> None:
        """Decide on the image, and on all images of the run that have no decision yet."""
        with Pool(1) as pool:
            # AWS takes as long to give a token as it takes to read a changed jar.
            login = pool.submit(self._target.log_in)
        self._collect_all(image)
        known: list[Collected] = []
        for name in [name for name in self._images if name not in self._decisions]:
            found = self._collected[name]
            if isinstance(found, Collected):
                known.append(found)
            else:
                self._decisions[name] = Blocked(found)
        try:
            if known:
                login.result()
                self._ask(known)
        except SleeperImagesError as error:  # No target, no credentials, no answer: the same for every image.
            self._decisions |= {one.image.name: Unknown(error) for one in known}

    def _ask(self, known: Sequence[Collected]) -> None:
        """Ask the registry about all of these images, and decide."""
        version = check_version(self._settings.require_version())
        fingerprints = {one.image.name: one.inputs.fingerprint() for one in known}
        repositories = {one.image.name: self._target.repository(one.image) for one in known}
        tags = {name: (inputs_tag(fingerprint), version) for name, fingerprint in fingerprints.items()}
        self._held |= look(self._target.client, {name: (repositories[name], tags[name]) for name in tags})
        decided: list[Decided] = []
        for one in known:
            name, held = one.image.name, self._held[one.image.name]
            inputs, at_version = (held[tag] for tag in tags[name])
            fits = functools.partial(proof.kind_fits, image=one.image)
            decision = decide(inputs, at_version, version_tag=version, fits=fits, force=self._settings.force)
            self._decisions[name] = decision
            if not isinstance(decision, Blocked | Unknown):
                decided.append(Decided(one, fingerprints[name], repositories[name], version, held, decision))
        self._decided |= {one.image.name: one for one in decided}
        self._block_immovable(decided)

    def _block_immovable(self, decided: Iterable[Decided]) -> None:
        """Block the images of which a tag has to move and cannot."""
        moving = {tag: (one, held) for one in decided for tag, held in _moving(one)}
        immutable = self._target.immutable(moving) if moving else set()
        for tag, (one, held) in moving.items():
            if tag in immutable:
                self._decisions[one.image.name] = Blocked(_immutable(one, tag, held))


def _moving(one: Decided) -> list[tuple[Tag, Digest]]:
    """Return the tags that a push has to move, and what they point to now."""
    names = {Build: (one.inputs_tag, one.version), Retag: (one.version,)}.get(type(one.decision), ())
    answers = ((name, one.held[name]) for name in names)
    return [(one.repository.tag(name), held.digest) for name, held in answers if isinstance(held, Descriptor)]


def _immutable(one: Decided, tag: Tag, held: Digest) -> RegistryError:
    decision = one.decision
    new = f"to these inputs' image {decision.digest}" if isinstance(decision, Retag) else "to an image yet to be built"
    other = "push under another version (version=…)" if tag.name == one.version else "change the image's revision"
    return RegistryError(
        f"the tag {tag} is immutable and points to {held}; it cannot move {new}",
        f"{other}, or delete that tag, or make the repository's tags mutable",
        image=one.image.name,
        code=IMMUTABLE,
    )


def _difference(before: Inputs, after: Inputs) -> str:
    """Return the first thing that differs, for a person."""
    old, new = {item.path: item for item in before.context}, {item.path: item for item in after.context}
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            return path
    return "Dockerfile" if before.dockerfile != after.dockerfile else "its settings"
