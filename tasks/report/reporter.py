"""The reporter: doit's calls, and the progress of builds, as events.

doit calls `execute_task` from its workers and everything else from the main thread. Builds report their progress from
the workers as well. Therefore everything takes one lock, and a display gets one event after the other.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, Protocol

from tasks import decision
from tasks.configuration.faults import shown
from tasks.engine.progress import Progress
from tasks.errors import EngineGoneError, SleeperImagesError
from tasks.graph.load import current
from tasks.graph.selected_tasks import with_prerequisites
from tasks.model import CURRENT
from tasks.report.events import (
    DONE,
    FAILED,
    IMAGE_VERBS,
    INTERRUPTED,
    NOT_RUN,
    UNMET,
    Began,
    Ended,
    Event,
    Explained,
    Finished,
    Moved,
    Noted,
    RunState,
    Started,
    TaskState,
    exit_code,
)
from tasks.run_context import RunContext
from tasks.system.secrets import safe
from tasks.system.terminal import Terminal


class Display(Protocol):
    """A way to show a run."""

    def show(self, event: Event, run: RunState) -> None:
        """Show an event that `run` includes already; called under a lock."""

    def close(self) -> None:
        """Give the terminal back."""


class Reporter:
    """A reporter for doit; a subclass says how it shows the run. Our actions print nothing themselves."""

    desc = ""
    """What `doit help run` says about it."""

    def __init__(self, outstream: IO[str], options: dict[str, Any]) -> None:  # noqa: ARG002  # doit's signature.
        self._context: RunContext = current()
        self._display = self.display(Terminal(outstream, os.environ))
        self._run = RunState()
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._workers: dict[int, int] = {}
        self._explaining: threading.Thread | None = None
        self._over = False
        self._failures: list[tuple[str, bool]] = []
        """For each task that failed: doit's name for the failure, and whether the task is about one image."""

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return the display of a run on this terminal."""
        raise NotImplementedError

    # What doit calls

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Begin the run: report its target, version and images."""
        self._context.channel.listen(self._moved)
        images = [(f"push:{image.name}", image.name) for image in self._context.asked.pushes]
        images += [(f"build:{image.name}", image.name) for image in self._context.asked.loads]
        target = version = instance = ""
        if self._context.asked.pushes:
            settings = self._context.settings
            version, instance = settings.version or "", settings.instance_id or ""
            with contextlib.suppress(
                SleeperImagesError
            ):  # Each task that needs the target fails with it, and shows it.
                target = str(self._context.target.prefix)
        names = with_prerequisites(tasks, selected_tasks)
        asked = tuple((task, image) for task, image in images if task in names)
        self._happened(Started(self._now(), time.time(), target, version, asked, instance))

    def get_status(self, task: Any) -> None:
        """Ignore that doit is about to check a task."""

    def execute_task(self, task: Any) -> None:
        """Report that a task begins; called from a worker."""
        verb, image = _about(task)
        decided, reason = "", ""
        if verb == "preflight":  # Before the first build, and only if there is one.
            self._explain()
        if verb == "push":
            found = self._context.decisions.of(self._context.catalogue.image(image))
            decided, reason = decision.state(found), decision.reason(found)
        elif verb == "build":
            decided, reason = "build", "for the local engine"
        if task.actions:
            with self._lock:
                worker = self._workers.setdefault(threading.get_ident(), len(self._workers) + 1)
            self._happened(Began(self._now(), task.name, verb, image, worker, decided, reason))

    def add_success(self, task: Any) -> None:
        """Report that a task has succeeded."""
        values = task.values or {}
        if values.get("note"):
            self._happened(Noted(self._now(), task.name, values["note"]))
        if task.actions:
            self._ended(task, values.get("outcome") or DONE, values)

    def add_failure(self, task: Any, fail: Any) -> None:
        """Report that a task has failed, or cannot begin because another task has failed."""
        verb, image = _about(task)
        self._failures.append((fail.get_name(), bool(image)))
        if fail.get_name() != UNMET:
            self._ended(task, FAILED, {}, fail)
        elif verb in IMAGE_VERBS:  # The failure of the other task has been shown.
            reason = f"needs {', '.join(sorted(fail.get_msg().split()))}"
            self._happened(Ended(self._now(), task.name, verb, image, NOT_RUN, reason=reason))

    def skip_uptodate(self, task: Any) -> None:
        """Report that a task is up to date."""
        verb, image = _about(task)
        if verb not in IMAGE_VERBS:
            return
        digest = ""
        if verb == "push":
            found = self._context.decisions.of(self._context.catalogue.image(image))
            digest = str(found.digest) if isinstance(found, decision.Current) else ""
        self._happened(Ended(self._now(), task.name, verb, image, CURRENT, digest=digest))

    def skip_ignore(self, task: Any) -> None:
        """Do nothing: doit keeps no state here (decision 0028), so no task is ignored."""

    def cleanup_error(self, exception: Any) -> None:
        """Report that a teardown has failed."""
        self._happened(Noted(self._now(), "", exception.get_msg()))

    def runtime_error(self, msg: str) -> None:
        """Report that doit itself has failed."""
        self._happened(Noted(self._now(), "", msg))

    def teardown_task(self, task: Any) -> None:
        """Ignore teardowns: no task has one."""

    def complete_run(self) -> None:
        """Report the end of the run; called in any case, even after an interrupt."""
        with self._lock:
            interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
            for work in [work for work in self._run.images if not work.outcome]:
                outcome = INTERRUPTED if work.running and interrupted else NOT_RUN
                reason = "" if work.running else self._known_reason(work)
                self._happened(Ended(self._now(), work.task, work.verb, work.image, outcome, reason=reason))
            worked = self._run.worked
            report = self._write_report() if worked else ""
            logs = shown(self._context.state.logs) if any(work.log for work in self._run.tasks.values()) else ""
            self._happened(Finished(self._now(), logs, report))
            self._context.channel.end(exit_code(self._failures))
            self._over = True
            self._display.close()
            # Builds that an interrupt has not ended yet still report progress.
            self._context.channel.listen(None)

    # Events

    def _explain(self) -> None:
        """Start to find out why images are built, as the plan does; no build waits for it."""
        if self._explaining is None:
            self._explaining = threading.Thread(target=self._report_reasons, name="reasons", daemon=True)
            self._explaining.start()

    def _report_reasons(self) -> None:
        from tasks.commands.plan import build_reasons  # noqa: PLC0415  # Only a run that builds needs it.

        for image, reason in build_reasons(self._context):
            with self._lock:
                if self._over:
                    return
                self._happened(Explained(self._now(), f"push:{image}", reason))

    def _known_reason(self, work: TaskState) -> str:
        """Return the reason of an image's decision, if it was decided."""
        known = self._context.decisions.known() if self._context.asked.pushes else {}
        return work.reason or (decision.reason(known[work.image]) if work.image in known else "")

    def _ended(self, task: Any, outcome: str, values: dict[str, Any], fail: Any = None) -> None:
        """Report the end of a task; `fail` is doit's failure, which has our error unless it is a bug."""
        verb, image = _about(task)
        log, error = "", getattr(fail, "error", None)
        # An engine that is gone is one fault of all images, and their logs say no more about it.
        if verb in IMAGE_VERBS and outcome != CURRENT and not isinstance(error, EngineGoneError):
            path = self._context.state.log(verb, self._context.catalogue.image(image))
            log = str(path) if path.exists() and path.stat().st_mtime >= self._run.wall else ""
        self._happened(
            Ended(
                self._now(),
                task.name,
                verb,
                image,
                outcome,
                digest=values.get("digest", ""),
                name=values.get("name", ""),
                size=values.get("size") or 0,
                error=error.message if error is not None else "" if fail is None else fail.get_msg(),
                next_step="" if error is None else error.next_step,
                log=log,
            )
        )

    def _moved(self, task: str, progress: Progress) -> None:
        self._happened(Moved(self._now(), task, progress))

    def _happened(self, event: Event) -> None:
        """Add an event to the run's state and show it. Both get every text in this way only, without secrets."""
        event = safe(event)
        with self._lock:
            self._run.add(event)
            self._display.show(event, self._run)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _write_report(self) -> str:
        from tasks.report import html  # noqa: PLC0415  # Only a run that did something needs it.

        path: Path = self._context.state.report
        try:
            html.write(path, self._run, self._now())
        except OSError as fault:  # The disk is full: images already pushed are kept.
            self._happened(Noted(self._now(), "report", f"{path} could not be written: {fault.strerror}"))
            return ""
        return shown(path)


def _about(task: Any) -> tuple[str, str]:
    """Return the verb and image of a task; both empty for a task that is not ours."""
    meta = task.meta or {}
    return meta.get("verb", ""), meta.get("image", "")
