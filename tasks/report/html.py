"""report.html: a page about a run. Pure, except that `write` writes it and that it shows the ends of the logs.

It has no scripts and loads nothing, and its content security policy forbids both. It is light or dark as the reader's
system is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from html import escape
from pathlib import Path

from tasks.errors import with_next_step
from tasks.model import BUILT, CURRENT
from tasks.report.events import DONE, FAILED, OUTCOMES, RunState, TaskState
from tasks.report.style import CSS
from tasks.system.terminal import spelled
from tasks.system.text import human, without_controls

TAIL_BYTES = 65_536
"""The bytes at the end of a log that are read."""

TAIL_LINES = 60
"""The lines at the end of a log that are shown."""

_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_TICKS = 10
_KEY = {
    "built": "built",
    "retagged": "retagged",
    "current": "found up to date",
    "failed": "failed or interrupted",
    "preparation": "preparation",
    "idle": "not ended",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(path: Path, run: RunState, seconds: float) -> None:
    """Write the page, atomically, in place of the last one.

    Args:
        path: the file.
        run: the run.
        seconds: how long the run has taken.

    Raises:
        OSError: the page could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(spelled(page(run, seconds)), encoding="utf-8", errors="replace")
    new.replace(path)


def page(run: RunState, seconds: float) -> str:
    """Return the page."""
    counts = run.counts
    words = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
    began = datetime.fromtimestamp(run.wall).astimezone()
    title = f"{counts.total()} image{'' if counts.total() == 1 else 's'}: {words}"
    size = sum(work.size for work in run.images if work.outcome == BUILT)
    facts = [
        ("target", run.target),
        ("version", run.version),
        ("began", began.isoformat(sep=" ", timespec="seconds")),
        ("took", _duration(seconds)),
        ("built", human(size) if size else ""),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title><style>{CSS}</style></head><body>",
            f"<header><p>sleeper-images</p><h1>{escape(title)}</h1>",
            "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts if text),
            "</dl></header><main>",
            *_timeline(run, seconds),
            *_notes(run),
            *_table(run),
            *_faults(run),
            *_details(run),
            "</main></body></html>",
            "",
        ]
    )


# What ran when


def _timeline(run: RunState, seconds: float) -> Iterator[str]:
    works = [work for work in run.tasks.values() if work.began is not None]
    whole = max([seconds, 0.001, *(work.ended or 0.0 for work in works)])
    yield '<section><h2>Timeline</h2><div class="scroll"><div class="timeline">'
    for worker in sorted({work.worker for work in works}):
        bars = "".join(_bar(work, whole) for work in works if work.worker == worker)
        yield f'<div class="lane"><span class="who">worker {worker}</span><div class="bars">{bars}</div></div>'
    yield '<div class="lane axis"><span class="who"></span><div class="bars">'
    step = next((tick for tick in _TICKS if whole / tick <= _MOST_TICKS), whole / _MOST_TICKS)
    for number in range(int(whole / step) + 1):
        yield f'<span style="left:{100 * number * step / whole:.3f}%">{_duration(number * step)}</span>'
    yield "</div></div></div></div>"
    kinds = dict.fromkeys(_kind(work) for work in works)
    yield '<p class="key">' + "".join(f'<span><i class="bar {kind}"></i>{_KEY[kind]}</span>' for kind in kinds)
    yield "</p></section>"


def _bar(work: TaskState, whole: float) -> str:
    began = work.began or 0.0
    ended = whole if work.ended is None else work.ended
    left, width = 100 * began / whole, 100 * max(ended - began, 0.0) / whole
    label = escape(work.image or work.task)
    said = escape(f"{work.task}: {work.outcome or 'not ended'}, {_duration(ended - began)}", quote=True)
    kind = _kind(work)
    style = f"left:{left:.3f}%;width:{width:.3f}%"
    if work.image:
        return f'<a class="bar {kind}" style="{style}" title="{said}" href="#{_anchor(work)}">{label}</a>'
    return f'<span class="bar {kind}" style="{style}" title="{said}">{label}</span>'


# Image by image


def _table(run: RunState) -> Iterator[str]:
    images = sorted(run.images, key=lambda work: (_rank(work), work.image))
    if not images:
        return
    yield '<section><h2>Images</h2><div class="scroll"><table><thead><tr>'
    yield "<th>image</th><th>outcome</th><th>why</th><th class=n>time</th><th class=n>size</th><th>digest</th>"
    yield "</tr></thead><tbody>"
    for work in images:
        name = escape(work.image)
        # There is nothing more to show about a current image.
        linked = name if work.outcome == CURRENT else f'<a href="#{_anchor(work)}">{name}</a>'
        why = without_controls(work.reason).partition("\n")[0] or ("up to date" if work.outcome == CURRENT else "")
        yield (
            f'<tr><td>{linked}</td><td><span class="mark {_class(work.outcome)}">{escape(work.outcome)}</span></td>'
            f"<td class=why>{escape(why)}</td><td class=n>{_duration(work.seconds) if work.seconds else ''}</td>"
            f"<td class=n>{human(work.size) if work.size else ''}</td>"
            f'<td><code title="{escape(work.digest, quote=True)}">{escape(_short(work.digest))}</code></td></tr>'
        )
    yield "</tbody></table></div></section>"


def _details(run: RunState) -> Iterator[str]:
    shown = [work for work in run.images if work.outcome not in {CURRENT, ""}]
    if not shown:
        return
    yield "<section><h2>Details</h2>"
    for work in sorted(shown, key=lambda work: (_rank(work), work.image)):
        opened = " open" if work.outcome == FAILED else ""
        yield f"<details{opened}><summary><b>{escape(work.image)}</b> "
        yield f'<span class="mark {_class(work.outcome)}">{escape(work.outcome)}</span></summary>'
        # Inside, so that a browser opens the target of a link (HTML, "ancestor revealing algorithm").
        yield f'<div id="{_anchor(work)}">'
        if work.error:
            yield _error(work)
        facts = [
            ("decision", work.decision),
            ("why", without_controls(work.reason)),
            ("digest", work.digest),
            ("name", work.name),
            ("size", f"{human(work.size)} ({work.size:,} bytes)" if work.size else ""),
            ("worker", str(work.worker or "")),
            ("log", work.log),
        ]
        yield "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in facts if text)
        yield "</dl>"
        yield from _steps(work)
        if tail := _tail(work):
            yield f"<h3>The end of the log</h3><pre>{escape(tail)}</pre>"
        yield "</div></details>"
    yield "</section>"


def _steps(work: TaskState) -> Iterator[str]:
    if not work.steps:
        return
    yield "<h3>Steps</h3><table><tbody>"
    for step in work.steps:
        took = "" if step.seconds is None else _duration(step.seconds)
        said = "cached" if step.cached else "failed" if step.error else took
        yield f"<tr><td>{escape(without_controls(step.name))}</td><td class=n>{said}</td></tr>"
    yield "</tbody></table>"


def _faults(run: RunState) -> Iterator[str]:
    """Yield the failures of tasks that are not an image's own: the sandbox, the login, a context."""
    for work in run.tasks.values():
        if work.error and work not in run.images:
            yield f"<section><h2>{escape(work.task)} failed</h2>{_error(work)}</section>"


def _error(work: TaskState) -> str:
    return f'<pre class="error">{escape(without_controls(with_next_step(work.error, work.next_step)).strip())}</pre>'


def _notes(run: RunState) -> Iterator[str]:
    if run.notes:
        yield "<section><h2>Notes</h2><ul>"
        for note in run.notes:
            about = "" if note.text.startswith(note.task) else f"<b>{escape(note.task)}</b> "
            yield f"<li>{about}{escape(without_controls(note.text))}</li>"
        yield "</ul></section>"


def _tail(work: TaskState) -> str:
    if not work.log:
        return ""
    try:
        with Path(work.log).open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:  # Removed meanwhile; the page still shows its path.
        return ""
    return "\n".join(without_controls(text).rstrip().splitlines()[-TAIL_LINES:])


def _rank(work: TaskState) -> int:
    order = (FAILED, "interrupted", "not run")
    return order.index(work.outcome) if work.outcome in order else len(order) + (work.outcome == CURRENT)


def _anchor(work: TaskState) -> str:
    verb = work.verb if work.verb == "build" else "push"
    return escape(f"{verb}-{work.image}", quote=True)


def _class(outcome: str) -> str:
    return {"loaded": "built", "not run": "idle", "interrupted": "failed", "": "idle"}.get(outcome, outcome)


def _kind(work: TaskState) -> str:
    """Return the kind of a task's bar."""
    return _class("preparation" if work.outcome == DONE else work.outcome)


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12]


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004  # What a minute is.
        return f"{seconds:.1f} s" if seconds % 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
