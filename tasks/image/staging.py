"""Copies a context to a directory of its own, for one build to read.

The files are copies, never links: docs/decisions/0003-contexts-are-copied.md says why. What the copy is like follows
from the entries alone, whatever the source's modes and the umask are, but for the files' times, which are the source's:
BuildKit tells by size and time what it need not read again.

BuildKit reads a staged context as any other, so that its Dockerfile and its ignore file must be right:

- The Dockerfile is there even where `COPY . /` must not see it; `dockerfile` keeps its name, as buildx finds it too.
- The ignore file that a listing honoured may be in the listing itself. Applied again it leaves out nothing more, as a
  pattern looks at a path and what is above it, never at another file. But with the ignore file gone (it may name
  itself), another that did not count before would.

So a context in which an ignore file of its own does not already say everything gets a `Dockerfile.dockerignore`, which
comes before every other and names just what is not part of the context: itself, and the Dockerfile if that is not.
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
from tasks.image.context import DOCKERFILE, Entry
from tasks.image.jar.file_state import FileState

PARTIAL = ".partial"
"""What is added to a context's name while it is written."""

_FILE = 0o644
_EXECUTABLE = 0o755
_DIRECTORY = 0o755

_NOT_IN_KERNEL = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF}
"""What `copy_file_range` answers where a pair of file systems or a kernel cannot do it."""

_CHUNK = 1 << 30


def stage(
    entries: Sequence[Entry],
    dockerfile: Path,
    destination: Path,
    states: Mapping[Path, FileState] = MappingProxyType({}),
) -> None:
    """Write a context to a directory, so that `docker buildx build <destination>` builds what the entries say.

    Nothing is written to where the files come from. The directory is made anew under another name, and takes its own
    when it is complete.

    Args:
        entries: a listing.
        dockerfile: staged as `Dockerfile`, or as `dockerfile` if that is its name, if no entry is it already.
        destination: the directory; it may exist.
        states: what files were like when they were read; a file that has none is taken as it is.

    Raises:
        UnreadableInputError: a file cannot be read, or the Dockerfile cannot be part of the context.
        ChangedWhileBuildingError: a file is not what its state says, is gone, or changed while it was copied.
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
    """Remove a staged context, whole or half written; nothing where there is none.

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
        _copy(entry.source, path, states.get(entry.source), _EXECUTABLE if entry.executable else _FILE)
        return
    with _writing(path):
        if entry.target is not None:
            path.symlink_to(_local(entry.target))
        else:
            path.mkdir()
            path.chmod(_DIRECTORY)


def _local(text: str) -> str:
    """Return what the operating system's calls take for the UTF-8 of `text`; the same, but in an odd locale."""
    return os.fsdecode(text.encode())


def _complete(paths: set[str], dockerfile: Path, partial: Path, states: Mapping[Path, FileState]) -> None:
    """Add the Dockerfile and the ignore file that BuildKit needs and `COPY . /` does not see."""
    name = dockerfile.name if dockerfile.name == DOCKERFILE.lower() else DOCKERFILE
    ignore = f"{name}.dockerignore"
    if name not in paths:
        _copy(dockerfile, partial / name, states.get(dockerfile), _FILE)
    elif not _leads_to_file(partial, partial / name):
        raise UnreadableInputError(
            f"{dockerfile} is a link to a file that the ignore file leaves out",
            "put the Dockerfile itself there, or do not ignore the file",
        )
    if ignore in paths or (name in paths and ".dockerignore" not in paths):
        return
    with _writing(partial / ignore):
        (partial / ignore).write_text(ignore + "\n" + ("" if name in paths else name + "\n"))


def _leads_to_file(root: Path, path: Path) -> bool:
    resolved = path.resolve()
    return resolved.is_relative_to(root.resolve()) and resolved.is_file()


def _copy(source: Path, path: Path, expected: FileState | None, mode: int) -> None:
    """Copy a file's content and times, and see to it that the file stays what it is meanwhile."""
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
    """Copy in the kernel, which shares the blocks where the file system can (XFS, Btrfs); else through memory."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(reader, writer, _CHUNK):
                pass
        except OSError as fault:
            if fault.errno not in _NOT_IN_KERNEL:
                raise
    # Goes on from where the kernel stopped, which is the end unless it could not do it.
    with open(reader, "rb", closefd=False) as whole, open(writer, "wb", closefd=False) as copy:
        shutil.copyfileobj(whole, copy, 1 << 20)


@contextmanager
def _reading(source: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise ChangedWhileBuildingError(f"{source} vanished before it was staged", "run again") from fault
    except OSError as fault:
        raise UnreadableInputError(
            f"{source} cannot be read: {fault.strerror}", "make it readable for this user, then run again"
        ) from fault


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except OSError as fault:
        step = "make it writable for this user"
        if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
            step = "free some space there: a context takes as much as its files"
        raise StagingError(f"{path} cannot be written: {fault.strerror}", f"{step}, then run again") from fault
