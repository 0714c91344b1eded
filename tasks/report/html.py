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
from tasks.system import files
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

    Raises:
        OSError: the page could not be written.
    """
    # A name of a file may hold what is not text.
    files.replace(path, spelled(page(run, seconds)).encode(errors="replace").decode())


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
            f"<title>{escape(title)}</title><style>{_CSS}</style></head><body>",
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


# How it looks: one sheet, two schemes, no pictures and no fonts of its own

_CSS = """
:root {
  --ground: #ffffff; --raised: #f5f6f8; --line: #d8dce2; --text: #1b1f24; --quiet: #58616d; --link: #0a58ca;
  --built: #1a7f4b; --retagged: #7a3fc4; --failed: #c42b1c; --preparation: #66717f; --idle: #66717f; --current: #58616d;
  --on: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --raised: #1e2329; --line: #353c45; --text: #e6e9ed; --quiet: #a2acb8; --link: #7db2ff;
    --built: #56c98b; --retagged: #bf99f5; --failed: #ff8577; --preparation: #8a95a3; --idle: #8a95a3;
    --current: #a2acb8; --on: #101317;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
header p { margin: 0; color: var(--quiet); }
h1 { margin: 0 0 .75rem; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2rem 0 .6rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 .3rem; font-size: .9rem; color: var(--quiet); font-weight: 600; }
a { color: var(--link); }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2rem; margin: 0; }
dt { color: var(--quiet); font-size: .8rem; }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line; }
code, pre { font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: .3rem 0; padding: .75rem; background: var(--raised); border: 1px solid var(--line); border-radius: 6px;
  overflow-x: auto; }
pre.error { border-left: 4px solid var(--failed); white-space: pre-wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; }
th { text-align: left; color: var(--quiet); font-size: .8rem; font-weight: 600; }
td:first-child { white-space: nowrap; }
td.why { min-width: 16rem; overflow-wrap: anywhere; }
details td:first-child { white-space: normal; overflow-wrap: anywhere; }
li { white-space: pre-line; }
th, td { padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mark { font-weight: 600; white-space: nowrap; }
.mark.built { color: var(--built); } .mark.retagged { color: var(--retagged); } .mark.failed { color: var(--failed); }
.mark.idle { color: var(--idle); } .mark.current { color: var(--current); font-weight: 400; }
details { margin: .4rem 0; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: 6px; }
details:has(:target) { border-color: var(--link); }
summary { cursor: pointer; }
details dl { margin-top: .6rem; }
.timeline { min-width: 40rem; padding-right: 2.5rem; }
.lane { display: flex; align-items: center; margin: 4px 0; }
.who { flex: 0 0 5.5rem; color: var(--quiet); font-size: .85rem; }
.bars { position: relative; flex: 1; height: 28px; background: var(--raised); border-radius: 4px; }
.bar { position: absolute; top: 2px; bottom: 2px; min-width: 2px; text-indent: 4px; overflow: hidden;
  border-radius: 3px; border-right: 1px solid var(--ground); color: var(--on); font-size: 12px; line-height: 24px;
  white-space: nowrap; text-decoration: none; background: var(--idle); }
a.bar:hover, a.bar:focus { outline: 2px solid var(--text); z-index: 1; }
.bar.built { background: var(--built); } .bar.retagged { background: var(--retagged); }
.bar.failed { background: var(--failed); } .bar.preparation { background: var(--preparation); }
.axis .bars { height: 1.2rem; background: none; }
.axis .bars span { position: absolute; color: var(--quiet); font-size: 12px; white-space: nowrap;
  border-left: 1px solid var(--line); padding-left: 3px; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; color: var(--quiet); font-size: .85rem; }
.key i.bar { position: static; display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem; padding: 0;
  vertical-align: -2px; }
@media print { details { break-inside: avoid; } }
"""


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
