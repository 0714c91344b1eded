"""A run as lines of text: for logs, pipes and terminals that cannot do more.

sleeper-images → 123456789012.dkr.ecr.eu-west-2.amazonaws.com/mine  version 0.36.0
  build     query-lambda  query-0.36.0.jar: 1 entry changed: sleeper/Query.class
  built     query-lambda  3f1c2a9b77aa  41.2 MB  8.1 s
20 images: 1 built (41.2 MB), 19 current  9.3 s
"""

from __future__ import annotations

import re

from tasks.engine.progress import human
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
    Run,
    Started,
    Work,
)
from tasks.system.terminal import Terminal
from tasks.system.text import folded, without_controls, wrapped

_VERBS, _LABELS = 8, 13
_TOGETHER = "\N{NO-BREAK SPACE}"
_WORTH_TELLING = 0.05
"""Seconds below which an image is not called slow."""

LONGEST = 15
"""How many lines the failure of an image takes at most, its heading included."""

_LAST = 5
_OWN = re.compile(r"\b(?:sha256:)?[0-9a-z]{25,}\b|\b[0-9a-f]{12}\b|\d+(?:\.\d+)?")
"""What no two builds have in common: digests, BuildKit's references, times."""
_QUIET = {DONE, CURRENT, NOT_RUN, INTERRUPTED}
_STYLES = {FAILED: "bad", INTERRUPTED: "bad", NOT_RUN: "bad", CURRENT: "faint"}


class Plain:
    """Writes one line when an image starts and one when it ends, each as one piece.

    Args:
        terminal: where to.
        starts: whether to say that an image starts.
    """

    def __init__(self, terminal: Terminal, *, starts: bool = True) -> None:
        self._terminal = terminal
        self._starts = starts
        self._held: list[Ended] = []
        self._causes: dict[str, str] = {}
        """By what made a task fail, the first that did, which is the one that is told whole."""
        self._unsaid: dict[str, Began] = {}
        self._silent = True

    def show(self, event: Event, run: Run) -> None:
        """Write what there is to say of an event that the run has taken in."""
        if text := self.text(event, run):
            self._terminal.write(text)

    def close(self) -> None:
        """Nothing has to be put back."""

    def text(self, event: Event, run: Run) -> str:
        """Return the lines for an event, or nothing."""
        text = self._text(event, run)
        if self._silent and text:
            self._silent, text = False, text.removeprefix("\n")  # Nothing to stand apart from.
        return text

    def _text(self, event: Event, run: Run) -> str:
        text = self._beginning(event, run)
        match event:
            case Started(target=target, version=version, instance=instance) if target or version:
                where = target or f"{instance or 'images'} (registry not known)"
                text = f"{self._terminal.paint('sleeper-images', 'strong')} → {where}  version {version}\n"
            case Ended(outcome=outcome) if outcome == FAILED:
                if event.image and not event.log:
                    # No command ran, and what stopped it may stop fifteen more: told together, at the end.
                    self._held.append(event)
                elif (first := self._causes.setdefault(_cause(event), event.task)) != event.task:
                    took = f"{run.works[event.task].seconds:5.1f} s"
                    text += self._line(FAILED, "bad", event.image, run, [f"as {first}", took])
                else:
                    text += self._failure(event, run.works[event.task])
            case Ended(outcome=outcome) if outcome not in _QUIET:
                text += self._ended(event, run.works[event.task], run)
            case Moved(task=task, progress=progress) if task in run.works and not run.works[task].image:
                text = self._note(f"{task}: {progress.step}")  # Rare, and long: packages are installed.
            case Noted(task=task, text=said):
                text = self._note(f"{task}: {said}" if task and not said.startswith(task) else said)
            case Finished():
                text = self._stopped(run) + self._summary(run)
        return text

    def _beginning(self, event: Event, run: Run) -> str:
        """Return the line that says that an image is begun, and why: when that is known, or when it has ended."""
        match event:
            case Began(task=task, decision="build" | "retag") if self._starts:
                self._unsaid[task] = event
                if event.verb == "push" and event.decision == "build" and not run.works[task].explained:
                    return ""
            case Explained(task=task) | Ended(task=task):
                pass
            case _:
                return ""
        return self._began(self._unsaid.pop(task), run) if task in self._unsaid else ""

    def _began(self, event: Began, run: Run) -> str:
        return self._line(event.decision, "faint", event.image, run, [_first_line(run.works[event.task].reason)])

    def _ended(self, event: Ended, work: Work, run: Run) -> str:
        parts = [
            Digest(event.digest).short if event.digest else "",
            f"{human(event.size):>8}" if event.size and event.outcome != RETAGGED else "",
            f"{work.seconds:5.1f} s",
        ]
        # Loaded, it has a name that is longer than the image's, and ends the same line.
        return self._line(event.outcome, "good", event.name or event.image or event.task, run, parts)

    def _line(self, word: str, style: str, name: str, run: Run, parts: list[str]) -> str:
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

    def _failure(self, event: Ended, work: Work) -> str:
        took = f"  {work.seconds:.1f} s" if work.began is not None else ""
        lines = without_controls(with_next_step(event.error, event.next_step)).rstrip().splitlines()
        if event.image:
            lines = _at_most(lines, self._terminal.width - 2)
        body = "\n".join(f"  {line}" if line else line for line in lines)
        return f"\n{self._terminal.paint(f'FAILED {event.task}', 'bad')}{took}\n{body}\n\n"

    def _stopped(self, run: Run) -> str:
        """Return the failures in which no command ran, those with one remedy together."""
        order = list(run.works)
        remedies: dict[str, list[Ended]] = {}
        for event in sorted(self._held, key=lambda event: order.index(event.task)):
            remedies.setdefault(event.next_step, []).append(event)
        return "".join(self._together(remedy, events) for remedy, events in remedies.items())

    def _together(self, remedy: str, events: list[Ended]) -> str:
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
        lines += f"  next: {remedy}".splitlines() if remedy else []
        body = "\n".join(f"  {line}" for line in without_controls("\n".join(lines)).splitlines())
        return f"\n{self._terminal.paint(f'FAILED {names}', 'bad')}\n{body}\n\n"

    def _summary(self, run: Run) -> str:
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
            lines += _about(outcome, ", ".join(names), width)
        slowest = [
            f"{work.image}{_TOGETHER}{work.seconds:.1f}{_TOGETHER}s"
            for work in run.slowest()
            if work.seconds >= _WORTH_TELLING
        ]
        lines += _about("slowest", ", ".join(slowest), width) if len(slowest) > 1 else []
        lines += [*_about("logs", run.logs, width), *_about("report", run.report, width)]
        return "\n".join(lines) + "\n"


def _about(what: str, text: str, width: int) -> list[str]:
    """Return lines of the summary, if there is something to tell."""
    lines = [line.replace(_TOGETHER, " ") for line in wrapped(text, " " * (_LABELS + 2), width)]
    return [f"  {what:<{_LABELS}}{lines[0].lstrip()}", *lines[1:]] if lines else []


def _at_most(lines: list[str], width: int) -> list[str]:
    """Return lines that fold to no more than LONGEST of the terminal's, less from the middle where there are more."""
    folded_lines = [part for line in lines for part in (_folded(line, width) or [""])]
    over = len(folded_lines) - LONGEST + 1
    if over <= 0:
        return folded_lines
    kept = LONGEST - 1 - _LAST
    return [*folded_lines[: kept - 1], "  …", *folded_lines[-_LAST:]]


def _folded(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return folded(line, indent, width)


def _cause(event: Ended) -> str:
    """Return why a task failed without what is its own, so that the same fault of two images is the same text."""
    reason = event.error.replace(event.image, "") if event.image else event.error
    return _OWN.sub("", reason) if event.image else f"{event.task}: {reason}"


def _first_line(text: str) -> str:
    return without_controls(text).partition("\n")[0]
