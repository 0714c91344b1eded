"""All images' decisions, made together when the first is asked for, and remembered for the run.

    gather every image's inputs ─▶ look at every image's two tags at once ─▶ decide ─▶ ask once which version tags
    that must move are immutable

Asked from doit's main thread (uptodate) and from its workers (actions), so it is made under a lock. It never raises
one of our errors: what went wrong is the decision (doit aborts the whole run when an uptodate raises).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping
from typing import Protocol

from tasks.decision import Blocked, Current, Decision, Missing, Retag, Unknown, decide
from tasks.errors import ChangedWhileBuildingError, InputError, RegistryError, SleeperImagesError
from tasks.image.fingerprint import Inputs, inputs_tag
from tasks.image.gather import Gathered, Gatherer
from tasks.model import Image
from tasks.reference import Digest, Repository, Tag, check_version
from tasks.registry import proof
from tasks.registry.client import IMMUTABLE, Client
from tasks.registry.images import look
from tasks.registry.model import Answer, Descriptor
from tasks.system.parallel import Pool


class Holdings(Protocol):
    """What decisions need of the run: where images go and who can be asked about it."""

    @property
    def client(self) -> Client:
        """The client to the target registry."""

    @property
    def version(self) -> str:
        """The version tag."""

    def log_in(self) -> None:
        """Get the login that the client will be asked for; raises what asking would."""

    def repository(self, image: Image) -> Repository:
        """Return the image's repository."""

    def immutable(self, tags: Iterable[Tag]) -> set[Tag]:
        """Return those of `tags` that cannot be moved."""


class Decisions:
    """One decision an image.

    Args:
        gatherer: reads what images are made of.
        holdings: what the registry is asked through.
        force: rebuild whatever the registry holds.
    """

    def __init__(self, gatherer: Gatherer, holdings: Holdings, *, force: bool = False) -> None:
        self._gatherer = gatherer
        self._holdings = holdings
        self._force = force
        self._lock = threading.RLock()
        self._gathered: dict[str, Gathered | SleeperImagesError] = {}
        self._decisions: dict[str, Decision] = {}
        self._held: dict[str, Mapping[str, Answer]] = {}
        self._expected: dict[str, Image] = {}

    def expect(self, images: Iterable[Image]) -> None:
        """Say which images will be asked about, so that the first question is answered for all of them."""
        with self._lock:
            self._expected |= {image.name: image for image in images}

    def of(self, image: Image) -> Decision:
        """Return the image's decision."""
        with self._lock:
            if image.name not in self._decisions:
                self.expect([image])
                self._decide([one for name, one in self._expected.items() if name not in self._decisions])
            return self._decisions[image.name]

    def gathered(self, image: Image) -> Gathered:
        """Return what the image is made of, as it was when it was decided on.

        Raises:
            SleeperImagesError: it could not be read.
        """
        with self._lock:
            if image.name not in self._gathered:
                self.expect([image])
                self._gather_expected()
            found = self._gathered[image.name]
        if isinstance(found, SleeperImagesError):
            raise found
        return found

    def held(self, image: Image) -> Mapping[str, Answer]:
        """Return what the registry answered about the image's tags, by tag; nothing where it was not asked."""
        with self._lock:
            self.of(image)
            return self._held.get(image.name, {})

    def known(self) -> dict[str, Decision]:
        """Return the decisions that have been made, by the images' names; asks nothing."""
        with self._lock:
            return dict(self._decisions)

    def settle(self, image: Image, digest: Digest) -> None:
        """Record that both tags are now on `digest`."""
        with self._lock:
            self._decisions[image.name] = Current(digest)

    def block(self, image: Image, error: SleeperImagesError) -> None:
        """Record that the image cannot be built or pushed."""
        with self._lock:
            self._decisions[image.name] = Blocked(error)

    def check_unchanged(self, image: Image) -> None:
        """Read the inputs again.

        Raises:
            ChangedWhileBuildingError: they mean something else than when the image was decided on.
        """
        before = self.gathered(image).inputs
        after = self._gather([image])[image.name]
        if isinstance(after, InputError) or (isinstance(after, Gathered) and after.inputs != before):
            what = after.message if isinstance(after, InputError) else _difference(before, after.inputs)
            raise ChangedWhileBuildingError(
                f"{image.name}: its inputs changed while building ({what}); nothing was tagged", "run again"
            )
        if isinstance(after, SleeperImagesError):
            raise after

    def _gather(self, images: list[Image]) -> Mapping[str, Gathered | SleeperImagesError]:
        try:
            return self._gatherer.gather(images)
        except SleeperImagesError as error:  # Of all of them alike: no SCRIPTS_DIR, say.
            return dict.fromkeys((image.name for image in images), error)

    def _gather_expected(self) -> None:
        self._gathered |= self._gather([image for name, image in self._expected.items() if name not in self._gathered])

    def _decide(self, images: list[Image]) -> None:
        with Pool(1) as pool:
            # AWS takes as long to give a token as an edited jar to be read.
            login = pool.submit(self._holdings.log_in)
        self._gather_expected()
        known: list[tuple[Image, Inputs]] = []
        for image in images:
            found = self._gathered[image.name]
            if isinstance(found, Gathered):
                known.append((image, found.inputs))
            else:
                self._decisions[image.name] = Blocked(found)
        try:
            if known:
                login.result()
                self._decisions |= self._look(known)
        except SleeperImagesError as error:  # No target, no credentials, no answer: the same for every image.
            self._decisions |= {image.name: Unknown(error) for image, _ in known}

    def _look(self, known: list[tuple[Image, Inputs]]) -> dict[str, Decision]:
        version = check_version(self._holdings.version)
        tags = {image.name: inputs_tag(inputs.fingerprint()) for image, inputs in known}
        wanted = {image.name: (self._holdings.repository(image), (tags[image.name], version)) for image, _ in known}
        answers = look(self._holdings.client, wanted)
        self._held |= answers
        decisions: dict[str, Decision] = {}
        moving: dict[Tag, tuple[str, Digest]] = {}
        for image, _ in known:
            inputs, held = answers[image.name][tags[image.name]], answers[image.name][version]
            fits = functools.partial(proof.kind_fits, image=image)
            decided = decide(inputs, held, version_tag=version, fits=fits, force=self._force)
            decisions[image.name] = decided
            repository = wanted[image.name][0]
            if isinstance(decided, Missing) and isinstance(inputs, Descriptor):
                moving[repository.tag(tags[image.name])] = image.name, inputs.digest
            if isinstance(decided, Missing | Retag) and isinstance(held, Descriptor):
                moving[repository.tag(version)] = image.name, held.digest
        return decisions | self._immovable(moving, decisions)

    def _immovable(
        self, moving: Mapping[Tag, tuple[str, Digest]], decisions: Mapping[str, Decision]
    ) -> dict[str, Decision]:
        """Return Blocked for those images of which a tag would have to move and cannot."""
        immutable = self._holdings.immutable(moving) if moving else set()
        return {
            name: Blocked(_immutable(name, tag, held, decisions[name], version=self._holdings.version))
            for tag, (name, held) in moving.items()
            if tag in immutable
        }


def _immutable(name: str, tag: Tag, held: Digest, decided: Decision, *, version: str) -> RegistryError:
    new = f"to these inputs' image {decided.digest}" if isinstance(decided, Retag) else "to an image yet to be built"
    other = "push under another version (version=…)" if tag.name == version else "change the image's revision"
    return RegistryError(
        f"{name}: the tag {tag} is immutable and on {held}; it cannot move {new}",
        f"{other}, or delete that tag, or make the repository's tags mutable",
        code=IMMUTABLE,
    )


def _difference(before: Inputs, after: Inputs) -> str:
    """Return the first thing that differs, for a person."""
    old, new = {item.path: item for item in before.context}, {item.path: item for item in after.context}
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            return path
    return "Dockerfile" if before.dockerfile != after.dockerfile else "its settings"
