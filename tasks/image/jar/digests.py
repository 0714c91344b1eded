"""Digests of many files at once: a jar's meaning, the sha256 of anything else; cached, and computed side by side.

    paths ─▶ stamps ─▶ cache ─▶ what is not in it: small ones here, large ones in worker processes ─▶ stamps again

A file is known by its device, inode, size, mtime and ctime, the last of which no program can set. A change within one
tick of the file system's clock leaves even these as they were, so a file younger than two seconds is digested but not
remembered, and one younger than a tick is not read before that has passed. Nor is one remembered on a file system that
has no such time (`tasks.image.jar.mounts`).
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tasks.errors import ChangedWhileBuildingError, InputError, MissingInputError, UnreadableInputError
from tasks.image import scheme
from tasks.image.jar import mounts, sealed
from tasks.image.jar.stamp import FileStamp

if TYPE_CHECKING:  # Where nothing is to be read, nothing is needed to read it.
    from tasks.image.jar.jar import Meaning

YOUNG_SECONDS = 2.0
"""A file that was changed this recently, or in the future, is not remembered; FAT keeps times to two seconds."""

TICK_SECONDS = 0.02
"""More than a tick of the clock by which Linux stamps files, 1 to 10 ms."""

ATTEMPTS = 3
"""How often a file is read that changes while it is read."""

LARGE_BYTES = 1 << 20
"""From this size on a file is worth handing to another process."""

WORKER_BYTES = 24 << 20
"""How much there must be to read in large files before processes are started for it, about 0.1 s of work for one."""

MAX_UNUSED = 5_000
"""How many digests that a run did not ask for stay in the cache."""

_MAKE = f"sleeper-images-digests 1 jar-{scheme.JAR}"
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Digested:
    """A digest, and the stamp that its file had."""

    digest: str
    stamp: FileStamp


class Digests:
    """Digests of files, remembered in one file between runs.

    Args:
        cache: that file, made where it is missing; beside it `<name>.inflated` remembers inflated entries. None
            remembers nothing.
        workers: how many processes to use; as many as there are processors for us where None.
    """

    def __init__(self, cache: Path | None, workers: int | None = None) -> None:
        self._cache = cache
        self._workers = workers
        self._lock = Lock()
        self._known: dict[str, str] | None = None
        self._used: dict[str, str] = {}
        self._kept: dict[str, Meaning] = {}

    def of(self, paths: Sequence[Path]) -> dict[Path, str | InputError]:
        """Return each file's digest, or why it has none.

        A digest is `jar-<scheme>:<hexadecimal>` of the meaning of a `*.jar` that is a zip archive, and
        `sha256:<hexadecimal>` of the bytes of anything else. Each is of one state of its file, never of a mixture.

        Args:
            paths: files; one that is not there, cannot be read, or keeps changing has an error for a digest.

        Raises:
            CommandError: the processes that read large files could not be started, or the run is being stopped.
        """
        found = self.stamped(paths)
        return {path: one if isinstance(one, InputError) else one.digest for path, one in found.items()}

    def stamped(self, paths: Sequence[Path]) -> dict[Path, Digested | InputError]:
        """Return what `of` does, each digest with the stamp by which a reader knows that it has the same file."""
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

    def entries(self, path: Path, stamp: FileStamp) -> dict[str, str] | None:
        """Return the entries of a jar as `jar.Meaning` has them, if it was just read; None where it has to be read.

        Only a large jar that was read alone is kept, as where one was edited: those of a whole build would take
        about 10 MB each.
        """
        with self._lock:
            kept = self._kept.get(_key(path, stamp))
        return None if kept is None else kept.entries()

    def _pass(
        self, paths: Iterable[Path], results: dict[Path, Digested | InputError], fresh: dict[str, str]
    ) -> list[Path]:
        """Put what can be told into `results`, what is to be remembered into `fresh`; return what changed meanwhile."""
        missing: dict[Path, FileStamp] = {}
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
        forgotten = mounts.without_change_time()
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

    def _compute(self, stamps: Mapping[Path, FileStamp]) -> dict[Path, str | InputError]:
        # Imported here: where nothing is to be read, nothing is needed to read it.
        from tasks.image.jar import hashing  # noqa: PLC0415

        memory = None if self._cache is None else self._cache.with_name(f"{self._cache.name}.inflated")
        large = {path: found for path, found in stamps.items() if found.size >= LARGE_BYTES}
        workers = self._workers or _processors()
        if len(large) == 1:
            return hashing.digest_all(stamps, memory, lambda path, found: self._keep(path, stamps[path], found))
        if workers == 1 or sum(found.size for found in large.values()) < WORKER_BYTES:
            return hashing.digest_all(stamps, memory)
        small = {path: found for path, found in stamps.items() if path not in large}
        return hashing.digest_in_workers(large, memory, workers) | hashing.digest_all(small, memory)

    def _keep(self, path: Path, stamp: FileStamp, found: Meaning) -> None:
        if stamp.size >= LARGE_BYTES:
            self._kept = {_key(path, stamp): found}

    def _remembered(self, key: str) -> str | None:
        if self._known is None:
            self._known = _load(self._cache)
        digest = self._known.get(key)
        if digest is not None:
            self._used[key] = digest
        return digest

    def _save(self, fresh: dict[str, str]) -> None:
        self._used |= fresh
        # Read again, so that what another run has added meanwhile is kept.
        on_disk = _load(self._cache)
        unused = [item for item in on_disk.items() if item[0] not in self._used]
        self._known = dict(unused[-MAX_UNUSED:]) | self._used
        if self._cache is not None:
            body = "".join(f"{key} {digest}\n" for key, digest in self._known.items())
            sealed.write(self._cache, _MAKE, body.encode("ascii"))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look(path: Path) -> FileStamp | InputError:
    try:
        found = path.stat()
    except FileNotFoundError:
        return MissingInputError(f"{path} is not there", "run the Maven build, then run again")
    except OSError as fault:
        return UnreadableInputError(f"{path} cannot be read: {fault.strerror}", "give yourself the right to read it")
    if not stat.S_ISREG(found.st_mode):
        return UnreadableInputError(f"{path} is not a file", "take it out of the build directory")
    return FileStamp.of(found)


def _settled(stamps: dict[Path, FileStamp]) -> dict[Path, FileStamp]:
    """Wait until no file can change without its stamp doing so; return the stamps as they are then."""
    now = time.time_ns()
    if not any(_is_moving(found, now) for found in stamps.values()):
        return stamps
    time.sleep(TICK_SECONDS)
    # One that is gone by now keeps its stamp, and is found changed when it has been read.
    again = {path: _look(path) for path in stamps}
    return {path: stamps[path] if isinstance(found, InputError) else found for path, found in again.items()}


def _is_moving(found: FileStamp, now: int) -> bool:
    return 0 <= now - found.ctime_ns < TICK_SECONDS * _NANOSECONDS


def _is_old(found: FileStamp, now: int) -> bool:
    return max(found.mtime_ns, found.ctime_ns) + YOUNG_SECONDS * _NANOSECONDS <= now


def _key(path: Path, found: FileStamp) -> str:
    # One inode may have two names, and the name says whether it is read as a jar.
    kind = "jar" if path.suffix == ".jar" else "file"
    return f"{kind} {found.device} {found.inode} {found.size} {found.mtime_ns} {found.ctime_ns}"


def _load(cache: Path | None) -> dict[str, str]:
    """Return the cache's digests by key, the longest unused first."""
    if cache is None:
        return {}
    lines = sealed.read(cache, _MAKE).decode("ascii").splitlines()
    return {key: digest for key, _, digest in (line.rpartition(" ") for line in lines)}
