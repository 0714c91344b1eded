"""What people see of a run: a doit reporter that writes one line when something happens and none when nothing does.

    sleeper-images → 123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine  version 0.36.0
      build     query-lambda: these inputs are not in the registry
      built     query-lambda  3f1c2a9b77aa  8.1 s
    20 images: 1 built, 19 current  9.3 s

doit calls `execute_task` from its workers and everything else from the main thread, so writing is locked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import IO, Any

from tasks.build import LOADED
from tasks.decision import Missing
from tasks.errors import SleeperImagesError
from tasks.push import BUILT, CURRENT, RETAGGED
from tasks.reference import Digest
from tasks.session import Session, current

FAILED, NOT_RUN = "failed", "not run"
_ORDER = (BUILT, RETAGGED, LOADED, CURRENT, FAILED, NOT_RUN)


class Reporter:
    """Writes plain lines; the actions themselves print nothing.

    Args:
        outstream: where to write.
        options: doit's, unused.
    """

    desc = "what was built, retagged and current"

    def __init__(self, outstream: IO[str], options: dict[str, Any]) -> None:  # noqa: ARG002  # doit's signature.
        self._out = outstream
        self._session: Session = current()
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._starts: dict[str, float] = {}
        self._outcomes: dict[str, str] = {}

    def initialize(self, tasks: dict[str, Any], selected_tasks: list[str]) -> None:  # noqa: ARG002  # doit's signature.
        """Name the target and the version, if anything is to be pushed."""
        if not self._session.pushes:
            return
        try:
            self._write(f"sleeper-images → {self._session.target.prefix}  version {self._session.version}")
        except SleeperImagesError:
            return  # Each task that needs the target fails with the same error, and shows it.

    def get_status(self, task: Any) -> None:
        """Called before a task is judged."""

    def execute_task(self, task: Any) -> None:
        """Say that an image is about to be built, and why; called from a worker."""
        self._starts[task.name] = time.monotonic()
        meta: dict[str, str] = task.meta or {}
        if meta.get("verb") == "push":
            decision = self._session.decisions.of(self._session.catalogue.image(meta["image"]))
            if isinstance(decision, Missing):
                self._line("build", meta["image"], decision.reason)
        elif meta.get("verb") == "build":
            self._line("build", meta["image"], "for the local engine")

    def add_success(self, task: Any) -> None:
        """Say what became of an image, unless it was current."""
        values = task.values or {}
        outcome = values.get("outcome")
        if values.get("note"):
            self._line("note", task.name, values["note"])
        if outcome is None:
            return
        if task.meta and "image" in task.meta:
            self._outcomes[task.name] = outcome
        if outcome != CURRENT:
            what = Digest(values["digest"]).short if "digest" in values else values.get("name", "")
            self._line(outcome, (task.meta or {}).get("image", task.name), f"{what}  {self._seconds(task.name)}")

    def add_failure(self, task: Any, fail: Any) -> None:
        """Show a failure whole, once: what, why and what to do."""
        if task.meta and "image" in task.meta and task.meta["verb"] in ("push", "build"):
            self._outcomes[task.name] = NOT_RUN if fail.get_name() == "UnmetDependency" else FAILED
        if fail.get_name() == "UnmetDependency":
            return  # Its cause has been shown; the summary counts it.
        self._write(f"\nFAILED {task.name}  {self._seconds(task.name)}\n{_indent(fail.get_msg())}\n")

    def skip_uptodate(self, task: Any) -> None:
        """Count an image that is up to date."""
        if task.meta and task.meta.get("verb") in ("push", "build"):
            self._outcomes[task.name] = CURRENT

    def skip_ignore(self, task: Any) -> None:
        """Say that doit was told to ignore a task."""
        self._line("ignored", task.name, "see `doit help ignore`")

    def cleanup_error(self, exception: Any) -> None:
        """Show a fault of a teardown."""
        self._write(exception.get_msg())

    def runtime_error(self, msg: str) -> None:
        """Show a fault of doit itself."""
        self._write(msg)

    def teardown_task(self, task: Any) -> None:
        """Called before a teardown; no task of ours has one."""

    def complete_run(self) -> None:
        """Sum up the images of the run."""
        if not self._outcomes:
            return
        counts = Counter(self._outcomes.values())
        parts = ", ".join(f"{counts[outcome]} {outcome}" for outcome in _ORDER if counts[outcome])
        where = f"; logs in {self._session.logs}" if counts[BUILT] or counts[LOADED] or counts[FAILED] else ""
        noun = "image" if len(self._outcomes) == 1 else "images"
        self._write(f"{len(self._outcomes)} {noun}: {parts}  {time.monotonic() - self._started:.1f} s{where}")

    def _line(self, word: str, name: str, text: str) -> None:
        self._write(f"  {word:<9} {name}: {text}".rstrip())

    def _seconds(self, name: str) -> str:
        return f"{time.monotonic() - self._starts[name]:.1f} s" if name in self._starts else ""

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text + "\n")
            self._out.flush()


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.rstrip().splitlines())
