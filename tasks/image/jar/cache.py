"""Digests of many files at once: the content digest of an archive, the sha256 of any other file; cached between runs.

    paths ─▶ states ─▶ cache ─▶ what it does not have: small files here, large ones in workers ─▶ states again

The cache knows a file by its device, inode, size, mtime and ctime, the last of which no program can set. But two
changes within one tick of the file system's clock can leave all five the same. So a file changed less than two seconds
ago is digested and not remembered, and one changed within the last tick is read only after that tick. Nor is a file
remembered on a file system without a change time (`tasks.image.jar.file_state`).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from tasks.errors import ChangedWhileBuildingError, InputError, UnreadableInputError
from tasks.image.jar import cache_file, file_state
from tasks.image.jar.file_state import FileState
from tasks.image.jar.formats import FORMATS, Archive, format_of

YOUNG_SECONDS = 2.0
"""A file that changed this recently, or in the future, is not remembered; FAT stores times to two seconds."""

TICK_SECONDS = 0.02
"""More than a tick of the clock by which Linux sets the times of files, 1 to 10 ms."""

ATTEMPTS = 3
"""How often a file is read that changes while it is read."""

LARGE_BYTES = 1 << 20
"""The least size of a file that is given to a worker."""

WORKER_BYTES = 24 << 20
"""The least number of bytes in large files for which workers are started, about 0.1 s of work for one of them."""

MAX_UNUSED = 5_000
"""How many digests that a run did not ask for stay in the cache."""

_FORMAT = f"sleeper-images-digests 1 {' '.join(form.prefix for form in FORMATS)}"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Digested:
    """A file's digest, and the state of the file that has it.

    The digest is `<format>-<scheme>:<hexadecimal>` for an archive of `tasks.image.jar.formats`, else
    `sha256:<hexadecimal>`.
    """

    digest: str
    state: FileState


class Digests:
    """Digests of files, remembered in one file between runs. Threads may share it.

    Args:
        cache: that file, which need not exist; `<name>.inflated` beside it remembers inflated entries. None remembers
            nothing.
        workers: how many processes to use; None for as many as this process may use processors.
    """

    def __init__(self, cache: Path | None, workers: int | None = None) -> None:
        self._cache = cache
        self._memory = None if cache is None else cache.with_name(f"{cache.name}.inflated")
        self._workers = workers or _processors()
        self._lock = Lock()
        self._known: dict[str, str] | None = None
        self._used: dict[str, str] = {}
        self._last: dict[str, Archive] = {}
        self._inflated: cache_file.Inflated | None = None

    def of(self, paths: Sequence[Path]) -> dict[Path, Digested | InputError]:
        """Return each file's digest, or the error: a file does not exist, cannot be read, or keeps changing.

        Each digest is of one state of its file, never of a mixture.

        Raises:
            CommandError: the workers could not be started, or the run is being stopped.
        """
        results: dict[Path, Digested | InputError] = {}
        with self._lock:
            fresh: dict[str, str] = {}
            unread = list(dict.fromkeys(paths))
            for _ in range(ATTEMPTS):
                unread = self._pass(unread, results, fresh)
                if not unread:
                    break
            if fresh:
                self._save(fresh)
        for path in unread:
            results[path] = ChangedWhileBuildingError(
                f"{path} changed each time it was read", "run again when the Maven build has ended"
            )
        return results

    def entries(self, path: Path, state: FileState) -> Mapping[str, str] | None:
        """Return the entries of an archive, as `tasks.image.jar.formats.Archive` has them.

        The archive is read again, unless it is the large one that `of` read alone, as when one jar was edited. To keep
        the entries of all jars would take about 10 MB for each.

        Returns:
            None if the file is not an archive, cannot be read, or is not in the state `state`.
        """
        form = format_of(path)
        if form is None:
            return None
        with self._lock:
            archive = self._last.get(_key(path, state))
            if self._inflated is None and archive is None:
                self._inflated = cache_file.Inflated(self._memory)
            known = {} if self._inflated is None else self._inflated.known
        try:
            archive = archive or form.read(path, known, state)
        except InputError:
            return None
        return archive.entries() if _look(path) == state else None

    def _pass(
        self, paths: Iterable[Path], results: dict[Path, Digested | InputError], fresh: dict[str, str]
    ) -> list[Path]:
        """Add what is found to `results` and what the cache should keep to `fresh`; return what changed meanwhile."""
        missing: dict[Path, FileState] = {}
        for path in paths:
            found = _look(path)
            if isinstance(found, InputError):
                results[path] = found
            elif (digest := self._remembered(_key(path, found))) is not None:
                results[path] = Digested(digest, found)
            else:
                missing[path] = found
        if not missing:
            return []
        missing = _settled(missing)
        begun = time.time_ns()
        computed = self._compute(missing)
        forgotten = file_state.devices_without_change_time()
        changed = []
        for path, before in missing.items():
            digest_or_error = computed[path]
            replaced = isinstance(digest_or_error, ChangedWhileBuildingError)
            if replaced or _look(path) != before or _is_moving(before, begun):
                changed.append(path)
                continue
            if isinstance(digest_or_error, InputError):
                results[path] = digest_or_error
                continue
            results[path] = Digested(digest_or_error, before)
            if _is_old(before, begun) and before.device not in forgotten:
                fresh[_key(path, before)] = digest_or_error
        return changed

    def _compute(self, states: Mapping[Path, FileState]) -> dict[Path, str | InputError]:
        from tasks.image.jar import workers  # noqa: PLC0415  # An unchanged run reads no file.

        large = {path: state for path, state in states.items() if state.size >= LARGE_BYTES}
        if len(large) == 1:
            return workers.digest_here(
                states, self._memory, lambda path, archive: self._keep(path, states[path], archive)
            )
        if self._workers == 1 or sum(state.size for state in large.values()) < WORKER_BYTES:
            return workers.digest_here(states, self._memory)
        small = {path: state for path, state in states.items() if path not in large}
        return workers.digest_in_workers(large, self._memory, self._workers) | workers.digest_here(small, self._memory)

    def _keep(self, path: Path, state: FileState, archive: Archive) -> None:
        if state.size >= LARGE_BYTES:
            self._last = {_key(path, state): archive}

    def _remembered(self, key: str) -> str | None:
        if self._known is None:
            self._known = _load(self._cache)
        digest = self._known.get(key)
        if digest is not None:
            self._used[key] = digest
        return digest

    def _save(self, fresh: dict[str, str]) -> None:
        self._used |= fresh
        # Loaded again to keep what another run has added meanwhile.
        on_disk = _load(self._cache)
        unused = [item for item in on_disk.items() if item[0] not in self._used]
        self._known = dict(unused[-MAX_UNUSED:]) | self._used
        if self._cache is not None:
            body = "".join(f"{key} {digest}\n" for key, digest in self._known.items())
            cache_file.write(self._cache, _FORMAT, body.encode("ascii"))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look(path: Path) -> FileState | InputError:
    try:
        found = path.stat()
    except OSError as fault:
        return file_state.unreadable(path, fault)
    if not stat.S_ISREG(found.st_mode):
        return UnreadableInputError(f"{path} is not a file", "remove it from the build directory")
    return FileState.of(found)


def _settled(states: dict[Path, FileState]) -> dict[Path, FileState]:
    """Wait until no file can change and keep its state; return the states at that time."""
    now = time.time_ns()
    if not any(_is_moving(state, now) for state in states.values()):
        return states
    time.sleep(TICK_SECONDS)
    # A file that is removed meanwhile keeps its state here, and counts as changed when it has been read.
    again = {path: _look(path) for path in states}
    return {path: states[path] if isinstance(found, InputError) else found for path, found in again.items()}


def _is_moving(state: FileState, now: int) -> bool:
    return 0 <= now - state.ctime_ns < TICK_SECONDS * _NANOSECONDS


def _is_old(state: FileState, now: int) -> bool:
    return max(state.mtime_ns, state.ctime_ns) + YOUNG_SECONDS * _NANOSECONDS <= now


def _key(path: Path, state: FileState) -> str:
    # One inode can have two names, and the name decides how it is read.
    form = format_of(path)
    kind = "file" if form is None else form.name
    return f"{kind} {state.device} {state.inode} {state.size} {state.mtime_ns} {state.ctime_ns}"


def _load(cache: Path | None) -> dict[str, str]:
    """Return the cache's digests by key, the longest unused first."""
    if cache is None:
        return {}
    lines = cache_file.read(cache, _FORMAT).decode("ascii").splitlines()
    return {key: digest for key, _, digest in (line.rpartition(" ") for line in lines)}
