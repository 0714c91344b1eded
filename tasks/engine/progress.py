"""The progress of a build, from the output of buildx; and the same as text, for the log.

    buildx's lines ─▶ Reader ─▶ lines of text for the log
                         └────▶ Progress for the reporter

With `rawjson` progress, buildx writes BuildKit's status as JSON objects (BuildKit's client.SolveStatus), indented or
one a line. Every other line, such as the final ERROR, is a line of text for the log. No output can make a build fail.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.system.text import human

LONGEST_OBJECT = 4_000_000
"""The most characters of an unfinished JSON object; a longer one is not BuildKit's."""

_FRACTION = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True)
class Step:
    """One step of a build.

    Attributes:
        name: BuildKit's name for it, `[2/3] COPY …`.
        seconds: how long it took; None if it did not end.
        cached: whether its result was in the cache.
    """

    name: str
    seconds: float | None
    cached: bool = False
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """The progress of a build.

    Attributes:
        step: the step that runs.
        sent: the bytes that this step has moved.
        size: the bytes that it has to move; 0 if unknown.
        ended: whether buildx has ended.
        steps: all steps, once buildx has ended.
    """

    step: str = ""
    sent: int = 0
    size: int = 0
    ended: bool = False
    steps: tuple[Step, ...] = ()


Listener = Callable[[Progress], None]


@dataclass
class _Status:
    current: int = 0
    total: int = 0
    ended: bool = False


@dataclass
class _Vertex:
    number: int
    name: str
    started: datetime | None = None
    ended: bool = False
    seconds: float | None = None
    cached: bool = False
    error: str = ""
    statuses: dict[str, _Status] = field(default_factory=dict)
    said: bool = False
    ending: bool = False


class Reader:
    """Reads the output of one build, as a `processes.Rewriter`.

    The listener is called after every change, which may be many times a second.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._vertices: dict[str, _Vertex] = {}
        self._speaker: _Vertex | None = None
        self._object: list[str] = []
        self._length = 0

    def line(self, line: str) -> Iterator[str]:
        """Read a line of buildx; yield the log's lines for it."""
        if not self._object and not line.startswith("{"):
            yield from self._close()
            yield line
        elif self._object and line[:1] not in {" ", "}", "\t"}:  # Not the object's: that was none.
            yield from self.end()
            yield from self.line(line)
        else:
            self._object.append(line)
            self._length += len(line)
            if line.endswith("}") and (len(self._object) == 1 or line == "}"):
                yield from self._whole()
            elif self._length > LONGEST_OBJECT:
                yield from self.end()

    def end(self) -> Iterator[str]:
        """Yield the log's last lines, after the end of the output."""
        left, self._object, self._length = self._object, [], 0
        yield from left
        yield from self._close()

    def finish(self) -> None:
        """Tell the listener that buildx has ended, with all steps."""
        said = sorted((one for one in self._vertices.values() if one.said), key=lambda one: one.number)
        steps = tuple(Step(one.name, one.seconds, one.cached, one.error) for one in said)
        self._listener(Progress(ended=True, steps=steps))

    def _whole(self) -> Iterator[str]:
        lines, self._object, self._length = self._object, [], 0
        try:
            status = json.loads("\n".join(lines))
            text = list(self._status(status))
        # Not a status of BuildKit's: text without progress.
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            yield from lines
            return
        yield from text
        self._tell()

    def _status(self, status: Mapping[str, Any]) -> Iterator[str]:
        if not status.keys() & {"vertexes", "statuses", "logs", "warnings"}:
            raise KeyError(*status)
        for vertex in status.get("vertexes") or ():
            yield from self._vertex(vertex)
        for one in status.get("statuses") or ():
            yield from self._part(one)
        for log in status.get("logs") or ():
            vertex = self._vertices.get(log["vertex"])
            for line in _decoded(log.get("data")).splitlines():
                yield from self._say(vertex, f"{_since(vertex, log.get('timestamp'))}{line}")
        for warning in status.get("warnings") or ():
            yield from self._say(self._vertices.get(warning["vertex"]), f"WARN: {_decoded(warning.get('short'))}")

    def _vertex(self, said: Mapping[str, Any]) -> Iterator[str]:
        vertex = self._vertices.get(said["digest"])
        if vertex is None:
            vertex = self._vertices[said["digest"]] = _Vertex(0, str(said["name"]))
        started, completed = _time(said.get("started")), _time(said.get("completed"))
        vertex.started, vertex.ended = started, completed is not None
        vertex.cached = vertex.cached or bool(said.get("cached"))
        vertex.error = str(said.get("error") or "")
        if started is None:
            return
        if not vertex.said:
            vertex.said = True
            yield from self._say(vertex)
        # BuildKit looks for a cached result first and reports that as a start and an end; then it runs the step.
        vertex.ending = completed is not None
        if completed is not None:
            vertex.seconds = (completed - started).total_seconds()
            if vertex is not self._speaker:
                yield from self._say(vertex)

    def _part(self, said: Mapping[str, Any]) -> Iterator[str]:
        vertex = self._vertices[said["vertex"]]
        name = str(said["id"])
        status = vertex.statuses.setdefault(name, _Status())
        status.current, status.total = int(said.get("current") or 0), int(said.get("total") or 0)
        if said.get("completed") and not status.ended:
            status.ended = True
            moved = f" {human(status.current)}" if status.current else ""
            yield from self._say(vertex, f"{name}{moved} done")

    def _say(self, vertex: _Vertex | None, text: str = "") -> Iterator[str]:
        if vertex is not self._speaker:
            yield from self._close()
            self._speaker = vertex
            if vertex:
                # In the order of their first report, as BuildKit's own numbers.
                vertex.number = vertex.number or 1 + max(one.number for one in self._vertices.values())
                yield f"#{vertex.number} {vertex.name}"
        if text:
            yield f"#{vertex.number} {text}" if vertex else text

    def _close(self) -> Iterator[str]:
        """End the lines about a step."""
        vertex, self._speaker = self._speaker, None
        if vertex is None:
            return
        if vertex.ending:
            vertex.ending = False
            yield f"#{vertex.number} {_ending(vertex)}"
        yield ""

    def _tell(self) -> None:
        running = [
            one for one in self._vertices.values() if one.said and not one.ended and not one.name.startswith("[auth]")
        ]
        if not running:
            return
        vertex = running[-1]
        parts = [name for name, one in vertex.statuses.items() if not one.ended]
        name = vertex.name.removeprefix("[internal] ")
        if parts and name.startswith(("exporting to", "pushing ")):
            name = parts[-1]
        statuses = vertex.statuses.values()
        totals = [one.total for one in statuses if one.current or one.total]
        size = sum(totals) if all(totals) else 0
        self._listener(Progress(name, sum(one.current for one in statuses), size))


def _ending(vertex: _Vertex) -> str:
    if vertex.error:
        return f"ERROR: {vertex.error}"
    return "CACHED" if vertex.cached else f"DONE {vertex.seconds:.1f}s"


def _decoded(data: Any) -> str:
    return base64.b64decode(data or "").decode(errors="replace")


def _time(text: Any) -> datetime | None:
    """Return a time from Go, which writes up to nine digits of a second; Python reads six."""
    return datetime.fromisoformat(_FRACTION.sub(r"\1", text)) if text else None


def _since(vertex: _Vertex | None, text: Any) -> str:
    at = _time(text)
    return f"{(at - vertex.started).total_seconds():.3f} " if vertex and vertex.started and at else ""
