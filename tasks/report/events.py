"""What happens in a run, as values, and the run that they add up to. Pure: nothing here writes or asks.

Started ─▶ (Began ─▶ Moved … ─▶ Ended | Ended | Explained | Noted) … ─▶ Finished
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.engine.progress import Progress, Step
from tasks.model import BUILT, CURRENT, LOADED, RETAGGED

FAILED, NOT_RUN, INTERRUPTED, DONE = "failed", "not run", "interrupted", "done"

OUTCOMES = (BUILT, RETAGGED, LOADED, CURRENT, FAILED, INTERRUPTED, NOT_RUN)
"""What can become of an image, in the order of the summary."""

IMAGE_VERBS = frozenset({"push", "build"})
"""The verbs whose tasks decide what became of an image; the others come before them."""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        at: when, in seconds since the run began.
    """

    at: float


@dataclass(frozen=True)
class Started(Event):
    """The run begins.

    Attributes:
        wall: the time of day, in seconds since 1970.
        target: where images go, or empty.
        version: the version tag, or empty.
        tasks: the tasks that decide what becomes of an image, by name, and their images.
        instance: whose images they are, or empty.
    """

    wall: float
    target: str
    version: str
    tasks: tuple[tuple[str, str], ...]
    instance: str = ""


@dataclass(frozen=True)
class Began(Event):
    """A worker begins a task.

    Attributes:
        task: its name.
        verb: what it does.
        image: to which image, or empty.
        worker: which worker, from 1.
        decision: the image's decision in one word, or empty.
        reason: why it was decided so.
    """

    task: str
    verb: str
    image: str
    worker: int
    decision: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Explained(Event):
    """It was found out why an image is built: before its build begins, or while it runs, which waits for nothing.

    Attributes:
        task: whose build.
        reason: in the words of the plan.
    """

    task: str
    reason: str


@dataclass(frozen=True)
class Moved(Event):
    """A build got further.

    Attributes:
        task: whose build.
        progress: how far.
    """

    task: str
    progress: Progress


@dataclass(frozen=True)
class Ended(Event):
    """A task has ended, or will not begin.

    Attributes:
        task: its name.
        verb: what it does.
        image: to which image, or empty.
        outcome: one of OUTCOMES, or DONE.
        digest: of the image, or empty.
        name: of the image in the local engine, or empty.
        size: bytes of the image, or 0 where unknown.
        reason: why it was up to date, or was not run.
        error: why it failed.
        next_step: what to do about that, or empty.
        log: the log of its command, or empty where it wrote none.
    """

    task: str
    verb: str
    image: str
    outcome: str
    digest: str = ""
    name: str = ""
    size: int = 0
    reason: str = ""
    error: str = ""
    next_step: str = ""
    log: str = ""


@dataclass(frozen=True)
class Noted(Event):
    """Something that people should know.

    Attributes:
        task: what it is about, or empty.
        text: in words.
    """

    task: str
    text: str


@dataclass(frozen=True)
class Finished(Event):
    """The run is over.

    Attributes:
        logs: the directory of the logs, if a command wrote one.
        report: the page about this run, if something was done.
    """

    logs: str = ""
    report: str = ""


@dataclass
class Work:
    """What is known of a task.

    Attributes:
        task: its name.
        verb: what it does.
        image: to which image, or empty.
        worker: which worker, or 0 where it did not begin.
        began: when, or None.
        ended: when, or None.
        outcome: one of OUTCOMES, DONE, or empty where it has not ended.
        decision: the image's decision in one word.
        reason: why.
        explained: whether that is all that can be told of it.
        digest: of the image.
        name: of the image in the local engine.
        size: of the image in bytes.
        error: why it failed.
        next_step: what to do about that.
        log: the log of its command.
        progress: how far it is.
        steps: of its build, once that has ended.
    """

    task: str
    verb: str
    image: str
    worker: int = 0
    began: float | None = None
    ended: float | None = None
    outcome: str = ""
    decision: str = ""
    reason: str = ""
    explained: bool = False
    digest: str = ""
    name: str = ""
    size: int = 0
    error: str = ""
    next_step: str = ""
    log: str = ""
    progress: Progress = field(default_factory=Progress)
    steps: tuple[Step, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took; 0 where it did not begin or end."""
        return 0.0 if self.began is None or self.ended is None else self.ended - self.began

    @property
    def running(self) -> bool:
        """Whether a worker is at it."""
        return self.began is not None and self.ended is None


@dataclass
class Run:
    """What is known of a run; `add` is the only way in.

    Attributes:
        wall: when it began, in seconds since 1970.
        target: where images go, or empty.
        version: the version tag, or empty.
        works: the tasks that began or ended, and those of images, by name.
        notes: what people should know.
        seconds: how long it took, once it is over.
        logs: the directory of the logs, or empty.
        report: the page about it, or empty.
    """

    wall: float = 0.0
    target: str = ""
    version: str = ""
    works: dict[str, Work] = field(default_factory=dict)
    notes: list[Noted] = field(default_factory=list)
    seconds: float = 0.0
    logs: str = ""
    report: str = ""

    def add(self, event: Event) -> None:
        """Take in what happened."""
        match event:
            case Started():
                self.wall, self.target, self.version = event.wall, event.target, event.version
                self.works = {task: Work(task, task.partition(":")[0], image) for task, image in event.tasks}
            case Began():
                work = self._work(event)
                work.worker, work.began, work.ended = event.worker, event.at, None
                work.decision, work.reason = event.decision, work.reason if work.explained else event.reason
            case Explained(task=task, reason=reason) if task in self.works:
                self.works[task].reason, self.works[task].explained = reason, True
            case Moved(task=task, progress=progress) if task in self.works:
                self.works[task].progress = progress
                self.works[task].steps = progress.steps
            case Ended():
                work = self._work(event)
                work.ended, work.outcome = event.at, event.outcome
                work.error, work.next_step, work.log = event.error, event.next_step, event.log
                work.digest, work.name, work.size = event.digest, event.name, event.size
                work.reason = event.reason or work.reason
            case Noted():
                self.notes.append(event)
            case Finished():
                self.seconds, self.logs, self.report = event.at, event.logs, event.report

    def _work(self, event: Began | Ended) -> Work:
        return self.works.setdefault(event.task, Work(event.task, event.verb, event.image))

    @property
    def images(self) -> list[Work]:
        """The tasks that decide what becomes of an image."""
        return [work for work in self.works.values() if work.verb in IMAGE_VERBS]

    @property
    def running(self) -> list[Work]:
        """The tasks that workers are at, the oldest first."""
        return sorted((work for work in self.works.values() if work.running), key=lambda work: work.began or 0.0)

    @property
    def counts(self) -> Counter[str]:
        """How many images had each outcome."""
        return Counter(work.outcome for work in self.images if work.outcome)

    @property
    def worked(self) -> bool:
        """Whether anything was done to an image, or something failed."""
        return any(work.outcome not in {CURRENT, NOT_RUN, ""} for work in self.images) or any(
            work.outcome == FAILED for work in self.works.values()
        )

    def slowest(self, most: int = 3) -> Iterator[Work]:
        """Yield the images that took longest, of those that were built or tried."""
        built = [work for work in self.images if work.outcome in {BUILT, LOADED, FAILED} and work.began is not None]
        yield from sorted(built, key=lambda work: -work.seconds)[:most]
