"""The run as lines of text, for logs, pipes and terminals without cursor control.

sleeper-images → 123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine  version 0.36.0
  build     query-lambda  query-0.36.0.jar: 1 entry changed: sleeper/Query.class
  built     query-lambda  3f1c2a9b77aa  41.2 MB  8.1 s
20 images: 1 built (41.2 MB), 19 current  9.3 s
"""

from __future__ import annotations

import re

from tasks.errors import with_next_step
from tasks.model import BUILT, CURRENT, RETAGGED
from tasks.reference import Digest
from tasks.report.events import (
    DONE,
    FAILED,
    INTERRUPTED,
    NOT_RUN,
    OUTCOMES,
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
)
from tasks.report.reporter import Display, Reporter
from tasks.system.terminal import Terminal
from tasks.system.text import TOGETHER, folded, human, without_controls, wrapped

_VERBS, _LABELS = 8, 13
_WORTH_TELLING = 0.05
"""The shortest build, in seconds, that is listed among the slowest."""

LONGEST = 15
"""The most lines of an image's failure, its heading included."""

_LAST = 5
_OWN = re.compile(r"\b(?:sha256:)?[0-9a-z]{25,}\b|\b[0-9a-f]{12}\b|\d+(?:\.\d+)?")
"""What differs between any two builds: digests, BuildKit's references, times."""
_QUIET = {DONE, CURRENT, NOT_RUN, INTERRUPTED}
_STYLES = {FAILED: "bad", INTERRUPTED: "bad", NOT_RUN: "bad", CURRENT: "faint"}


class Plain:
    """Writes a line when an image begins and a line when it ends, each in one piece.

    With `starts`, also a line when an image begins.
    """

    def __init__(self, terminal: Terminal, *, starts: bool = True) -> None:
        self._terminal = terminal
        self._starts = starts
        self._held: list[Ended] = []
        self._causes: dict[str, str] = {}
        """For each cause of failures, the first task that failed; only its error is shown."""
        self._unshown: dict[str, Began] = {}
        self._silent = True

    def show(self, event: Event, run: RunState) -> None:
        """Write the lines for an event."""
        if text := self.text(event, run):
            self._terminal.write(text)

    def close(self) -> None:
        """Do nothing: lines stay."""

    def text(self, event: Event, run: RunState) -> str:
        """Return the lines for an event; empty if it has none."""
        text = self._text(event, run)
        if self._silent and text:
            self._silent, text = False, text.removeprefix("\n")  # The first line needs no empty line before it.
        return text

    def _text(self, event: Event, run: RunState) -> str:
        text = self._beginning(event, run)
        match event:
            case Started(target=target, version=version, instance=instance) if target or version:
                where = target or f"{instance or 'images'} (registry not known)"
                text = f"{self._terminal.paint('sleeper-images', 'strong')} → {where}  version {version}\n"
            case Ended(outcome=outcome) if outcome == FAILED:
                if event.image and not event.log:
                    # No command ran. The same fault may stop other images: all are shown together, at the end.
                    self._held.append(event)
                elif (first := self._causes.setdefault(_cause(event), event.task)) != event.task:
                    took = f"{run.tasks[event.task].seconds:5.1f} s"
                    text += self._line(FAILED, "bad", event.image, run, [f"as {first}", took])
                else:
                    text += self._failure(event, run.tasks[event.task])
            case Ended(outcome=outcome) if outcome not in _QUIET:
                text += self._ended(event, run.tasks[event.task], run)
            case Moved(task=task, progress=progress) if task in run.tasks and not run.tasks[task].image:
                text = self._note(f"{task}: {progress.step}")  # Rare and slow, such as installing packages.
            case Noted(task=task, text=said):
                text = self._note(f"{task}: {said}" if task and not said.startswith(task) else said)
            case Finished():
                text = self._stopped(run) + self._summary(run)
        return text

    def _beginning(self, event: Event, run: RunState) -> str:
        """Return the line for the beginning of an image, once the reason is known or the image has ended."""
        match event:
            case Began(task=task, decision="build" | "retag") if self._starts:
                self._unshown[task] = event
                if event.verb == "push" and event.decision == "build" and not run.tasks[task].explained:
                    return ""
            case Explained(task=task) | Ended(task=task):
                pass
            case _:
                return ""
        return self._began(self._unshown.pop(task), run) if task in self._unshown else ""

    def _began(self, event: Began, run: RunState) -> str:
        reason = without_controls(run.tasks[event.task].reason).partition("\n")[0]
        return self._line(event.decision, "faint", event.image, run, [reason])

    def _ended(self, event: Ended, work: TaskState, run: RunState) -> str:
        parts = [
            Digest(event.digest).short if event.digest else "",
            f"{human(event.size):>8}" if event.size and event.outcome != RETAGGED else "",
            f"{work.seconds:5.1f} s",
        ]
        # The name of a loaded image is longer than the image's own.
        return self._line(event.outcome, "good", event.name or event.image or event.task, run, parts)

    def _line(self, word: str, style: str, name: str, run: RunState, parts: list[str]) -> str:
        width = max((len(work.image) for work in run.images), default=0)
        line = f"  {word:<{_VERBS}}  {name:<{width}}  {'  '.join(part for part in parts if part)}".rstrip()
        first, *rest = folded(line, " " * (_VERBS + 6), self._terminal.width)
        painted = "  " + self._terminal.paint(f"{word:<{_VERBS}}", style) + first[_VERBS + 2 :]
        return "\n".join([painted, *rest]) + "\n"

    def _note(self, text: str) -> str:
        indent = " " * (_VERBS + 4)
        text = "\n".join(wrapped(without_controls(text), indent, self._terminal.width)).lstrip()
        word = self._terminal.paint("note".ljust(_VERBS), "faint")
        return f"  {word}  {text}\n"

    def _failure(self, event: Ended, work: TaskState) -> str:
        took = f"  {work.seconds:.1f} s" if work.began is not None else ""
        error = with_next_step(event.error, event.next_step)
        log = f"  log:  {event.log} (begins with the command)" if event.log else ""
        lines = without_controls(f"{error}\n{log}").rstrip().splitlines()
        if event.image:
            lines = _at_most(lines, self._terminal.width - 2)
        body = "\n".join(f"  {line}" if line else line for line in lines)
        return f"\n{self._terminal.paint(f'FAILED {event.task}', 'bad')}{took}\n{body}\n\n"

    def _stopped(self, run: RunState) -> str:
        """Return the failures for which no command ran, those with the same next step together."""
        order = list(run.tasks)
        steps: dict[str, list[Ended]] = {}
        for event in sorted(self._held, key=lambda event: order.index(event.task)):
            steps.setdefault(event.next_step, []).append(event)
        return "".join(self._together(step, events) for step, events in steps.items())

    def _together(self, step: str, events: list[Ended]) -> str:
        names = events[0].task if len(events) == 1 else f"{len({event.image for event in events})} images"
        reasons: dict[str, list[Ended]] = {}
        for event in events:
            reasons.setdefault(event.error.rstrip(), []).append(event)
        lines = []
        for reason, alike in reasons.items():
            if len(alike) == 1:
                name = f"{alike[0].image}: " if len(events) > 1 else ""
                lines += f"{name}{reason}".splitlines()
            else:
                images = ", ".join(event.image for event in alike)
                lines += [*reason.splitlines(), *wrapped(images, "  ", self._terminal.width - 2)]
        lines += f"  next: {step}".splitlines() if step else []
        body = "\n".join(f"  {line}" for line in without_controls("\n".join(lines)).splitlines())
        return f"\n{self._terminal.paint(f'FAILED {names}', 'bad')}\n{body}\n\n"

    def _summary(self, run: RunState) -> str:
        if not run.counts:
            return ""
        counts = run.counts
        parts = []
        for outcome in OUTCOMES:
            if counts[outcome]:
                size = sum(work.size for work in run.images if work.outcome == outcome == BUILT)
                words = f"{counts[outcome]} {outcome}" + (f" ({human(size)})" if size else "")
                parts.append(self._terminal.paint(words, _STYLES.get(outcome, "good")))
        noun = "image" if counts.total() == 1 else "images"
        lines = [f"{counts.total()} {noun}: {', '.join(parts)}  {run.seconds:.1f} s"]
        width = self._terminal.width
        for outcome in (FAILED, INTERRUPTED, NOT_RUN):
            names = [work.image for work in run.images if work.outcome == outcome]
            lines += _entry(outcome, ", ".join(names), width)
        slowest = [
            f"{work.image}{TOGETHER}{work.seconds:.1f}{TOGETHER}s"
            for work in run.slowest()
            if work.seconds >= _WORTH_TELLING
        ]
        lines += _entry("slowest", ", ".join(slowest), width) if len(slowest) > 1 else []
        lines += [*_entry("logs", run.logs, width), *_entry("report", run.report, width)]
        return "\n".join(lines) + "\n"


def _entry(what: str, text: str, width: int) -> list[str]:
    """Return the summary's lines about something; none if `text` is empty."""
    lines = [line.replace(TOGETHER, " ") for line in wrapped(text, " " * (_LABELS + 2), width)]
    return [f"  {what:<{_LABELS}}{lines[0].lstrip()}", *lines[1:]] if lines else []


def _at_most(lines: list[str], width: int) -> list[str]:
    """Return the lines, folded; if they are more than LONGEST, without some from the middle."""
    folded_lines: list[str] = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        folded_lines += folded(line, indent, width) or [""]
    over = len(folded_lines) - LONGEST + 1
    if over <= 0:
        return folded_lines
    kept = LONGEST - 1 - _LAST
    return [*folded_lines[: kept - 1], "  …", *folded_lines[-_LAST:]]


def _cause(event: Ended) -> str:
    """Return a task's error without what differs between images, to recognise the same fault of two images."""
    reason = event.error.replace(event.image, "") if event.image else event.error
    return _OWN.sub("", reason) if event.image else f"{event.task}: {reason}"


class PlainReporter(Reporter):
    """Plain lines, on a terminal as well."""

    desc = "plain lines"

    @staticmethod
    def display(terminal: Terminal) -> Display:
        """Return lines."""
        return Plain(terminal)
