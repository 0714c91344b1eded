"""What people and machines see of a run.

    doit ────▶ Reporter ─▶ events ─▶ Plain | Board | JsonLines   lines, a live board, JSON
    buildx ──────┘             └───▶ Run ─▶ the summary, and html: report.html

doit calls `execute_task` from its workers and everything else from the main thread, and builds tell their progress from
the workers too, so that everything goes through one lock. A display is told of one event after the other.
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
from tasks.graph.composition import current
from tasks.graph.selected_tasks import with_prerequisites
from tasks.model import CURRENT
from tasks.report.events import (
    DONE,
    FAILED,
    IMAGE_VERBS,
    INTERRUPTED,
    NOT_RUN,
    Began,
    Ended,
    Event,
    Explained,
    Finished,
    Moved,
    Noted,
    Run,
    Started,
    Work,
)
from tasks.report.jsonl import JsonLines
from tasks.report.outcome import UNMET, exit_code
from tasks.report.plain import Plain
from tasks.session import Session
from tasks.system.secrets import safe
from tasks.system.terminal import Terminal


class Display(Protocol):
    """One way to show a run."""

    def show(self, event: Event, run: Run) -> None:
        """Show an event, which the run has taken in; called under a lock."""

    def close(self) -> None:
        """Give the terminal back."""


class Reporter:
    """doit's reporter: a live board on a terminal, else plain lines. The actions themselves print nothing.

    Args:
        outstream: where to write.
        options: doit's, unused.
    """

    desc = "a live board on a terminal, else plain lines"

    def __init__(self, outstream: IO[str], options: dict[str, Any]) -> None:  # noqa: ARG002  # doit's signature.
        self._session: Session = current()
        self._display = self.display(Terminal(outstream, os.environ))
        self._run = Run()
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._workers: dict[int, int] = {}
        self._explaining: threading.Thread | None = None
        self._over = False
        self._failures: list[tuple[str, bool]] = []
        """Of each task that failed: what doit calls it, and whether it is about one image."""

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return how the run is shown there."""
        if not terminal.live:
            return Plain(terminal)
        from tasks.report.board import Board  # noqa: PLC0415  # Only a terminal needs it.

        return Board(terminal)

    # What doit calls

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:
        """Name the target and the version, if anything is to be pushed."""
        self._session.watcher = self._moved
        images = [(f"push:{image.name}", image.name) for image in self._session.pushes]
        images += [(f"build:{image.name}", image.name) for image in self._session.loads]
        target = version = instance = ""
        if self._session.pushes:
            settings = self._session.settings
            version, instance = settings.version or "", settings.instance_id or ""
            with contextlib.suppress(
                SleeperImagesError
            ):  # Each task that needs the target fails with it, and shows it.
                target = str(self._session.target.prefix)
        names = with_prerequisites(tasks, selected_tasks)
        asked = tuple((task, image) for task, image in images if task in names)
        self._happened(Started(self._now(), time.time(), target, version, asked, instance))

    def get_status(self, task: Any) -> None:
        """Called before a task is judged."""

    def execute_task(self, task: Any) -> None:
        """A task begins; called from a worker."""
        verb, image = _about(task)
        decided, reason = "", ""
        if verb == "preflight":  # It comes before the first build, and only where there is one.
            self._explain()
        if verb == "push":
            found = self._session.decisions.of(self._session.catalogue.image(image))
            decided, reason = decision.state(found), decision.reason(found)
        elif verb == "build":
            decided, reason = "build", "for the local engine"
        if task.actions:
            with self._lock:
                worker = self._workers.setdefault(threading.get_ident(), len(self._workers) + 1)
            self._happened(Began(self._now(), task.name, verb, image, worker, decided, reason))

    def add_success(self, task: Any) -> None:
        """A task has ended well."""
        values = task.values or {}
        if values.get("note"):
            self._happened(Noted(self._now(), task.name, values["note"]))
        if task.actions:
            self._ended(task, values.get("outcome") or DONE, values)

    def add_failure(self, task: Any, fail: Any) -> None:
        """A task has failed, or cannot begin because another one has."""
        verb, image = _about(task)
        self._failures.append((fail.get_name(), bool(image)))
        if fail.get_name() != UNMET:
            self._ended(task, FAILED, {}, fail)
        elif verb in IMAGE_VERBS:  # Its cause has been shown.
            reason = f"needs {', '.join(sorted(fail.get_msg().split()))}"
            self._happened(Ended(self._now(), task.name, verb, image, NOT_RUN, reason=reason))

    def skip_uptodate(self, task: Any) -> None:
        """A task is up to date."""
        verb, image = _about(task)
        if verb not in IMAGE_VERBS:
            return
        digest = ""
        if verb == "push":
            found = self._session.decisions.of(self._session.catalogue.image(image))
            digest = str(found.digest) if isinstance(found, decision.Current) else ""
        self._happened(Ended(self._now(), task.name, verb, image, CURRENT, digest=digest))

    def skip_ignore(self, task: Any) -> None:
        """A task is passed over, because doit was told so."""
        verb, image = _about(task)
        reason = "ignored, see `doit help ignore`"
        self._happened(Noted(self._now(), task.name, reason))
        if verb in IMAGE_VERBS:
            self._happened(Ended(self._now(), task.name, verb, image, NOT_RUN, reason=reason))

    def cleanup_error(self, exception: Any) -> None:
        """A teardown has failed."""
        self._happened(Noted(self._now(), "", exception.get_msg()))

    def runtime_error(self, msg: str) -> None:
        """Doit itself has failed."""
        self._happened(Noted(self._now(), "", msg))

    def teardown_task(self, task: Any) -> None:
        """Called before a teardown; no task of ours has one."""

    def complete_run(self) -> None:
        """Sum up; called in any case, even while an interrupt is on its way up."""
        with self._lock:
            interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
            for work in [work for work in self._run.images if not work.outcome]:
                outcome = INTERRUPTED if work.running and interrupted else NOT_RUN
                reason = "" if work.running else self._known_reason(work)
                self._happened(Ended(self._now(), work.task, work.verb, work.image, outcome, reason=reason))
            worked = self._run.worked
            report = self._write_report() if worked else ""
            logs = shown(self._session.state.logs) if any(work.log for work in self._run.works.values()) else ""
            self._happened(Finished(self._now(), logs, report))
            self._session.exit_code = exit_code(self._failures)
            self._over = True
            self._display.close()
            # Builds that an interrupt has not reached yet go on talking.
            self._session.watcher = None

    # Events

    def _explain(self) -> None:
        """Begin to find out why images are built, in the words of the plan; no build waits for it."""
        if self._explaining is None:
            self._explaining = threading.Thread(target=self._tell_reasons, name="reasons", daemon=True)
            self._explaining.start()

    def _tell_reasons(self) -> None:
        from tasks.commands.plan import build_reasons  # noqa: PLC0415  # Only a run that builds needs it.

        for image, reason in build_reasons(self._session):
            with self._lock:
                if self._over:
                    return
                self._happened(Explained(self._now(), f"push:{image}", reason))

    def _known_reason(self, work: Work) -> str:
        """Return why something would have been done about an image, if that was decided."""
        known = self._session.decisions.known() if self._session.pushes else {}
        return work.reason or (decision.reason(known[work.image]) if work.image in known else "")

    def _ended(self, task: Any, outcome: str, values: dict[str, Any], fail: Any = None) -> None:
        """Tell how a task ended; `fail` is doit's failure, with our error in it unless it is a bug."""
        verb, image = _about(task)
        log, error = "", getattr(fail, "error", None)
        # An engine that is gone is one fault of all images, about which no image's log says more.
        if verb in IMAGE_VERBS and outcome != CURRENT and not isinstance(error, EngineGoneError):
            path = self._session.state.log(verb, self._session.catalogue.image(image))
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
        """Tell the run and the display; nothing that they show, log or store comes in by another way."""
        event = safe(event)
        with self._lock:
            self._run.add(event)
            self._display.show(event, self._run)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def _write_report(self) -> str:
        from tasks.report import html  # noqa: PLC0415  # Only a run that did something needs it.

        path: Path = self._session.state.report
        try:
            html.write(path, self._run, self._now())
        except OSError as fault:  # The disk is full; what was pushed was pushed.
            self._happened(Noted(self._now(), "report", f"{path} could not be written: {fault.strerror}"))
            return ""
        return shown(path)


class PlainReporter(Reporter):
    """Plain lines, on a terminal too."""

    desc = "plain lines"

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return lines."""
        return Plain(terminal)


class JsonLinesReporter(Reporter):
    """JSON for machines."""

    desc = "events as JSON, one a line (docs/output.md)"

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return JSON."""
        return JsonLines(terminal)


def _about(task: Any) -> tuple[str, str]:
    """Return a task's verb and image; both empty for a task that is not one of ours."""
    meta = task.meta or {}
    return meta.get("verb", ""), meta.get("image", "")
