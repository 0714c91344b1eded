"""A run as its events: each kind of outcome once, some things that builds print, and times that are given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.engine.progress import Progress, Step
from tasks.report.events import Began, Ended, Event, Explained, Finished, Moved, Noted, RunState, Started

DIGEST = "sha256:" + "3f1c2a9b77aa" + "0" * 52
NAMES = ("ingest", "query-lambda", "metrics-lambda", "athena-lambda", "statestore-lambda")
ERROR = (
    "the build of athena-lambda failed with exit code 1\n"
    "  docker buildx build --builder=sleeper /contexts/athena-lambda-0123456789ab\n"
    '    #3 ERROR: \x1b[31m"/nope"\x1b[0m: not found\x07'
)
NEXT_STEP = "fix the Dockerfile or what it reads, and run again; images already pushed are kept"
STEPS = (
    Step("[internal] load build context", 0.25),
    Step("[1/2] COPY lambda.jar <b>./</b>", None, cached=True),
    Step("exporting to image", 61.0),
)


def push(image: str) -> str:
    return f"push:{image}"


def started(*names: str, target: str = "registry.example.com/mine") -> Started:
    tasks = tuple((push(name), name) for name in names or NAMES)
    return Started(0.0, 1_700_000_000.0, target, "0.36.0" if target else "", tasks)


def began(at: float, image: str, *, worker: int = 1, decision: str = "build", reason: str = "") -> Began:
    return Began(at, push(image), "push", image, worker, decision, reason or "these inputs are not in the registry")


def explained(at: float, image: str, reason: str) -> Explained:
    return Explained(at, push(image), reason)


def ended(at: float, image: str, outcome: str = "built", *, size: int = 0, error: str = "", log: str = "") -> Ended:
    digest = "" if error or outcome in {"not run", "interrupted"} else DIGEST
    step = NEXT_STEP if error == ERROR else ""
    return Ended(
        at, push(image), "push", image, outcome, digest=digest, size=size, error=error, next_step=step, log=log
    )


def whole(log: Path | None = None) -> list[Event]:
    """Return a run in which everything happens."""
    return [
        started(),
        Began(0.1, "builder", "builder", "", 1),
        Noted(0.5, "builder", "builder sleeper cannot boot (no such host). The engine's own BuildKit builds"),
        Ended(0.5, "builder", "builder", "", "done"),
        ended(0.5, "statestore-lambda", "current"),
        explained(0.55, "athena-lambda", "not in the registry"),
        began(0.6, "ingest"),
        began(0.6, "athena-lambda", worker=2),
        explained(0.65, "ingest", "docker/ingest/run.sh changed"),
        Moved(0.7, push("ingest"), Progress("load build context", 1_500_000)),
        ended(1.2, "athena-lambda", "failed", error=ERROR, log=str(log or "")),
        began(1.3, "query-lambda", worker=2, decision="retag", reason="not yet tagged 0.36.0"),
        ended(1.5, "query-lambda", "retagged", size=7_000_000),
        Ended(1.5, push("metrics-lambda"), "push", "metrics-lambda", "not run", reason="needs stage:metrics-lambda"),
        Moved(62.0, push("ingest"), Progress(ended=True, steps=STEPS)),
        ended(62.3, "ingest", size=41_200_000, log=str(log or "")),
        Finished(62.4, "logs", "report.html"),
    ]


def after(events: Iterable[Event]) -> RunState:
    """Return what is known after events."""
    found = RunState()
    for event in events:
        found.add(event)
    return found
