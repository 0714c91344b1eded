"""The events of a run, the state that they add up to, and its exit code. Pure: nothing here writes or asks.

Started ─▶ (Began ─▶ Moved … ─▶ Ended | Ended | Explained | Noted) … ─▶ Finished
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tasks.engine.progress import Progress, Step
from tasks.model import BUILT, CURRENT, LOADED, RETAGGED

FAILED, NOT_RUN, INTERRUPTED, DONE = "failed", "not run", "interrupted", "done"

OUTCOMES = (BUILT, RETAGGED, LOADED, CURRENT, FAILED, INTERRUPTED, NOT_RUN)
"""The outcomes of an image, in the order of the summary."""

UNMET, _FAILED = "UnmetDependency", "TaskFailed"
"""doit's names for a task that cannot begin, as another one failed, and for one that failed with an error of ours."""

IMAGE_VERBS = frozenset({"push", "build"})
"""The verbs whose tasks decide the outcome of an image; the tasks of other verbs come before them."""


@dataclass(frozen=True)
class Event:
    """Something that happened in a run. A text of an event without a value is empty.

    Attributes:
        at: the seconds since the run began.
    """

    at: float


@dataclass(frozen=True)
class Started(Event):
    """The run begins.

    Attributes:
        wall: the time, in seconds since 1970.
        target: where images go, or empty.
        version: the version tag, or empty.
        tasks: the names and images of the tasks that decide the outcome of an image.
        instance: the instance of Sleeper, or empty.
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
        worker: the number of the worker, from 1.
        decision: the image's decision in one word, or empty.
    """

    task: str
    verb: str
    image: str
    worker: int
    decision: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Explained(Event):
    """The reason to build an image is known, before its build begins or while it runs.

    Attributes:
        reason: the reason, in the words of the plan.
    """

    task: str
    reason: str


@dataclass(frozen=True)
class Moved(Event):
    """A build made progress."""

    task: str
    progress: Progress


@dataclass(frozen=True)
class Ended(Event):
    """A task has ended, or will not begin.

    Attributes:
        outcome: one of OUTCOMES, or DONE.
        digest: the digest of the image, or empty.
        name: the name of the image in the local engine, or empty.
        size: the size of the image in bytes; 0 if unknown.
        reason: why it was up to date, or was not run.
        log: the log of its command, or empty if it wrote none.
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
    """Something that people should know."""

    task: str
    text: str


@dataclass(frozen=True)
class Finished(Event):
    """The run is over.

    Attributes:
        logs: the directory of the logs, or empty if no command wrote one.
        report: the path of the HTML report, or empty if nothing was done.
    """

    logs: str = ""
    report: str = ""


@dataclass
class TaskState:
    """The state of a task: what its events said last, and what follows from them.

    Attributes:
        ended: when it ended, or None.
        outcome: one of OUTCOMES, DONE, or empty if it has not ended.
        explained: whether `reason` is that of the plan, to which nothing is added.
        steps: the steps of its build, once that has ended.
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
        """How long it took; 0 if it did not begin or end."""
        return 0.0 if self.began is None or self.ended is None else self.ended - self.began

    @property
    def running(self) -> bool:
        """Whether a worker runs it."""
        return self.began is not None and self.ended is None


@dataclass
class RunState:
    """The state of a run: what its events said, and what follows from them. Only `add` changes it.

    Attributes:
        tasks: the tasks that began or ended, and those of images, by name.
        seconds: how long it took, once it has ended.
    """

    wall: float = 0.0
    target: str = ""
    version: str = ""
    tasks: dict[str, TaskState] = field(default_factory=dict)
    notes: list[Noted] = field(default_factory=list)
    seconds: float = 0.0
    logs: str = ""
    report: str = ""

    def add(self, event: Event) -> None:
        """Add an event."""
        match event:
            case Started():
                self.wall, self.target, self.version = event.wall, event.target, event.version
                self.tasks = {task: TaskState(task, task.partition(":")[0], image) for task, image in event.tasks}
            case Began():
                work = self._work(event)
                work.worker, work.began, work.ended = event.worker, event.at, None
                work.decision, work.reason = event.decision, work.reason if work.explained else event.reason
            case Explained(task=task, reason=reason) if task in self.tasks:
                self.tasks[task].reason, self.tasks[task].explained = reason, True
            case Moved(task=task, progress=progress) if task in self.tasks:
                self.tasks[task].progress = progress
                self.tasks[task].steps = progress.steps
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

    def _work(self, event: Began | Ended) -> TaskState:
        return self.tasks.setdefault(event.task, TaskState(event.task, event.verb, event.image))

    @property
    def images(self) -> list[TaskState]:
        """The tasks that decide the outcome of an image."""
        return [work for work in self.tasks.values() if work.verb in IMAGE_VERBS]

    @property
    def running(self) -> list[TaskState]:
        """The tasks that workers run, the oldest first."""
        return sorted((work for work in self.tasks.values() if work.running), key=lambda work: work.began or 0.0)

    @property
    def counts(self) -> Counter[str]:
        """How many images had each outcome."""
        return Counter(work.outcome for work in self.images if work.outcome)

    @property
    def worked(self) -> bool:
        """Whether something was done to an image, or something failed."""
        return any(work.outcome not in {CURRENT, NOT_RUN, ""} for work in self.images) or any(
            work.outcome == FAILED for work in self.tasks.values()
        )

    def slowest(self) -> Iterator[TaskState]:
        """Yield the tasks of the three images whose builds took longest, failed builds included."""
        built = [work for work in self.images if work.outcome in {BUILT, LOADED, FAILED} and work.began is not None]
        yield from sorted(built, key=lambda work: -work.seconds)[:3]


def exit_code(failures: Sequence[tuple[str, bool]]) -> int:
    """Return the exit code of a run, as in docs/reliability.md; doit's own is 2 for every task that others need.

    Args:
        failures: for each task that failed, doit's name for the failure, and whether the task is about one image.
    """
    own = [failure for failure in failures if failure[0] != UNMET]
    if not own:
        return 2 if failures else 0  # A task that others need did not run.
    shared = any(not of_image for _, of_image in own)
    needed = any(name == UNMET and of_image for name, of_image in failures)
    bug = any(name != _FAILED for name, _ in own)
    return 2 if bug or (shared and needed) else 1
