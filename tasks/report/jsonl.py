"""The run as JSON objects, one on each line, for programs. docs/output.md describes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tasks.model import BUILT
from tasks.report.events import OUTCOMES, Began, Ended, Event, Explained, Finished, Moved, Noted, RunState, Started
from tasks.report.reporter import Display, Reporter
from tasks.system.terminal import Terminal

SCHEMA = 2

PROGRESS_SECONDS = 1.0
"""The shortest time between two progress events of a step."""


class JsonLines:
    """Writes every event as an object."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown: dict[str, tuple[float, str]] = {}

    def show(self, event: Event, run: RunState) -> None:
        """Write an event."""
        if isinstance(event, Moved) and not self._is_due(event):
            return
        found = fields(event, run)
        at = datetime.fromtimestamp(run.wall + event.at, UTC).isoformat(timespec="milliseconds")
        content = {"event": found.pop("event"), "at": at, **found}
        self._terminal.write(json.dumps(content, ensure_ascii=True) + "\n")

    def close(self) -> None:
        """Do nothing: lines stay."""

    def _is_due(self, event: Moved) -> bool:
        at, step = self._shown.get(event.task, (-PROGRESS_SECONDS, ""))
        if event.progress.ended or (event.progress.step == step and event.at - at < PROGRESS_SECONDS):
            return False
        self._shown[event.task] = (event.at, event.progress.step)
        return True


def fields(event: Event, run: RunState) -> dict[str, Any]:
    """Return the object for an event without its time; a member without a value is null."""
    match event:
        case Started():
            images = [{"task": task, "image": image} for task, image in event.tasks]
            return {
                "event": "run-started",
                "schema": SCHEMA,
                "target": event.target or None,
                "version": event.version or None,
                "images": images,
            }
        case Began():
            return {
                "event": "task-started",
                "task": event.task,
                "verb": event.verb,
                "image": event.image or None,
                "worker": event.worker,
                "decision": event.decision or None,
                "reason": run.tasks[event.task].reason or None,
            }
        case Moved(task=task, progress=progress):
            return {
                "event": "progress",
                "task": task,
                "step": progress.step,
                "bytes": progress.sent,
                "of": progress.size or None,
            }
        case Ended():
            return _ended(event, run)
        case Explained() | Noted():
            return _text(event)
        case Finished():
            return _finished(run)
    raise TypeError(event)


def _text(event: Explained | Noted) -> dict[str, Any]:
    if isinstance(event, Explained):
        return {"event": "task-explained", "task": event.task, "reason": event.reason}
    return {"event": "note", "task": event.task or None, "text": event.text}


def _ended(event: Ended, run: RunState) -> dict[str, Any]:
    work = run.tasks[event.task]
    return {
        "event": "task-ended",
        "task": event.task,
        "verb": event.verb,
        "image": event.image or None,
        "outcome": event.outcome,
        "seconds": round(work.seconds, 3) if work.began is not None else None,
        "digest": event.digest or None,
        "name": event.name or None,
        "bytes": event.size or None,
        "reason": work.reason or None,
        "error": event.error or None,
        "next_step": event.next_step or None,
        "log": event.log or None,
    }


def _finished(run: RunState) -> dict[str, Any]:
    return {
        "event": "run-ended",
        "seconds": round(run.seconds, 3),
        "counts": {outcome: run.counts[outcome] for outcome in OUTCOMES},
        "bytes": sum(work.size for work in run.images if work.outcome == BUILT),
        "slowest": [{"image": work.image, "seconds": round(work.seconds, 3)} for work in run.slowest()],
        "logs": run.logs or None,
        "report": run.report or None,
    }


class JsonLinesReporter(Reporter):
    """JSON for programs."""

    desc = "events as JSON, one a line (docs/output.md)"

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return JSON."""
        return JsonLines(terminal)
