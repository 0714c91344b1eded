"""Copies a build context to a directory of its own, which one build reads.

The files are copies, never links: docs/decisions/0003-contexts-are-copied.md gives the reason. The entries alone decide
what the copy is like, whatever the source's modes and the umask. Only the files' times are those of the source, as
BuildKit goes by size and time to find what it need not read again.

BuildKit reads a staged context like any other, so its Dockerfile and its ignore file must be right:

- The Dockerfile is there even if `COPY . /` must not see it; `dockerfile` keeps its name, which buildx finds, too.
- The listing may contain the ignore file that was applied to it. Applied again, it leaves out nothing more: a pattern
  tests a path and the directories above it, never another file. But without it (it may name itself), another ignore
  file that did not count before would count.

So a context whose own ignore file does not already say everything gets a `Dockerfile.dockerignore`, which comes before
every other. It names what is not part of the context: itself, and the Dockerfile if that is not.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from tasks.errors import ChangedWhileBuildingError, InputError, StagingError, UnreadableInputError
from tasks.image.context import DOCKERFILE, Entry, is_own_file
from tasks.image.jar.file_state import FileState, unreadable

PARTIAL = ".partial"
"""The suffix of a context's directory while it is written."""

_FILE = 0o644
_DIRECTORY = 0o755

_NOT_IN_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF}
"""The errors of `copy_file_range` if the file systems or the kernel do not support it."""

_CHUNK = 1 << 30


def stage(
    entries: Sequence[Entry],
    dockerfile: Path,
    destination: Path,
    states: Mapping[Path, FileState] = MappingProxyType({}),
) -> None:
    """Write a context to a directory, for `docker buildx build <destination>`.

    Nothing is written to the directories that the files come from. The destination, which may exist, is written under
    another name, and renamed when it is complete.

    Args:
        entries: a listing.
        dockerfile: staged as `Dockerfile`, or as `dockerfile` if that is its name, unless an entry is it already.
        destination: the directory.
        states: the state that a file must have; a file without one is copied as it is.

    Raises:
        UnreadableInputError: a file cannot be read, or the Dockerfile cannot be part of the context.
        ChangedWhileBuildingError: a file is not in its state, no longer exists, or changed while it was copied.
        StagingError: the directory cannot be written.
    """
    partial = _partial(destination)
    remove(destination)
    try:
        with _writing(partial):
            partial.mkdir(parents=True)
            partial.chmod(_DIRECTORY)
        for entry in sorted(entries, key=lambda entry: entry.path):
            _write(entry, partial / _local(entry.path), states)
        _complete({entry.path for entry in entries}, dockerfile, partial, states)
        with _writing(destination):
            partial.rename(destination)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def remove(destination: Path) -> None:
    """Remove a staged context, complete or not; it need not exist.

    Raises:
        StagingError: it cannot be removed.
    """
    for directory in (destination, _partial(destination)):
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            continue
        except OSError as fault:
            raise StagingError(
                f"{directory} cannot be removed: {fault.strerror}", "remove it by hand, then run again"
            ) from fault


def _partial(destination: Path) -> Path:
    return destination.with_name(destination.name + PARTIAL)


def _write(entry: Entry, path: Path, states: Mapping[Path, FileState]) -> None:
    if entry.source is not None:
        _copy(entry.source, path, states.get(entry.source), entry.mode)
        return
    with _writing(path):
        if entry.target is not None:
            path.symlink_to(_local(entry.target))
        else:
            path.mkdir()
            path.chmod(entry.mode)


def _local(text: str) -> str:
    """Return the text whose bytes are UTF-8 for the operating system's calls, whatever the locale is."""
    return os.fsdecode(text.encode())


def _complete(paths: set[str], dockerfile: Path, partial: Path, states: Mapping[Path, FileState]) -> None:
    """Add the Dockerfile and the ignore file that BuildKit needs, if `COPY . /` does not see them."""
    name = dockerfile.name if dockerfile.name == DOCKERFILE.lower() else DOCKERFILE
    ignore = f"{name}.dockerignore"
    if name not in paths:
        _copy(dockerfile, partial / name, states.get(dockerfile), _FILE)
    elif not is_own_file(partial, partial / name):
        raise UnreadableInputError(
            f"{dockerfile} is a link to a file that the ignore file leaves out",
            "put the Dockerfile itself there, or do not ignore that file",
        )
    if ignore in paths or (name in paths and ".dockerignore" not in paths):
        return
    with _writing(partial / ignore):
        (partial / ignore).write_text(ignore + "\n" + ("" if name in paths else name + "\n"))


def _copy(source: Path, path: Path, expected: FileState | None, mode: int) -> None:
    """Copy a file's content and times, and check that the file is in the expected state and stays in it."""
    with _reading(source):
        reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        before = FileState.of(os.fstat(reader))
        with _writing(path):
            writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                _copy_content(reader, writer)
                os.fchmod(writer, mode)
                os.utime(writer, ns=(before.mtime_ns, before.mtime_ns))
            finally:
                os.close(writer)
        if (expected or before) != before or FileState.of(os.fstat(reader)) != before:
            raise ChangedWhileBuildingError(f"{source} changed while it was staged", "run again")
    finally:
        os.close(reader)


def _copy_content(reader: int, writer: int) -> None:
    """Copy in the kernel, which shares the blocks if the file system can (XFS, Btrfs); else through memory."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(reader, writer, _CHUNK):
                pass
        except OSError as fault:
            if fault.errno not in _NOT_IN_KERNEL:
                raise
    # Continue where the kernel stopped: at the end, unless it could not copy.
    with open(reader, "rb", closefd=False) as whole, open(writer, "wb", closefd=False) as copy:
        shutil.copyfileobj(whole, copy, 1 << 20)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise ChangedWhileBuildingError(f"{source} was removed before it was staged", "run again") from fault
    except OSError as fault:
        raise unreadable(source, fault) from fault


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as fault:
        step = "make it writable for this user"
        if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
            step = "free some space there; a context takes as much as its files"
        raise StagingError(f"{path} cannot be written: {fault.strerror}", f"{step}, then run again") from fault
