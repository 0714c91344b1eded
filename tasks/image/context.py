"""The files of a build directory as `COPY . /` sees them: the context that BuildKit gets, its ignore file honoured.

The rules are BuildKit's, and an integration test compares them with a real engine. Which file of patterns counts:
`<Dockerfile>.dockerignore` before `.dockerignore`, even where it is empty; one that is a directory does not count. The
ignore file and the Dockerfile are part of the context as any other file is, unless a pattern names them; BuildKit reads
both in any case. A link is kept as a link, wherever it points, and is never followed.

BuildKit would also send named pipes, devices, sockets (as empty files) and names that are not UTF-8, the last of which
newer versions refuse. What an image holds then cannot be told from a file's content, so they are refused here. So are
names that a layer cannot hold as files, which BuildKit copies and runtimes then take for whiteouts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tasks.errors import MissingInputError, UnreadableInputError
from tasks.image import dockerignore

DOCKERFILE = "Dockerfile"

_WHITEOUT = ".wh."
"""How names begin that delete files ("Whiteouts" in the OCI image specification's layer.md), `.wh..wh..opq` too."""

_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX

_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True)
class Entry:
    """One thing in a context.

    Attributes:
        path: relative to the context, with slashes; its bytes are UTF-8 in every locale.
        kind: what it is.
        executable: for a file, whether anybody may execute it.
        target: for a link, its text.
        source: for a file, where to read it.
        special: whether it has a setuid, setgid or sticky bit, which do not count and are not staged.
    """

    path: str
    kind: Literal["file", "directory", "symlink"]
    executable: bool = False
    target: str | None = None
    source: Path | None = None
    special: bool = False


def listing(directory: Path, extra: Mapping[str, Path] = MappingProxyType({})) -> tuple[Entry, ...]:
    """List what `COPY . /` sees of a build directory.

    Args:
        directory: the build directory.
        extra: files laid over it, by their path in it. One wins over a file or link that the directory has there, and
            the ignore file applies to it as to any other.

    Returns:
        Files, links and directories, empty ones too, sorted by path.

    Raises:
        MissingInputError: the directory or an extra file is not there.
        UnreadableInputError: something cannot be read, is neither file, directory nor link, or cannot be in a context.
    """
    if not directory.is_dir():
        if directory.exists():
            raise UnreadableInputError(f"{directory} is not a directory", "check SCRIPTS_DIR and the catalogue")
        raise MissingInputError(f"{directory} does not exist", "run the Maven build, or set SCRIPTS_DIR")
    walk = _Walk(_ignore(directory), frozenset(extra))
    entries = {entry.path: entry for entry in walk.below(directory)}
    for path, source in extra.items():
        for entry in walk.laid_over(directory, path, source):
            entries.setdefault(entry.path, entry)
    for path in sorted(entries):
        if path.rpartition("/")[2].startswith(_WHITEOUT):
            raise UnreadableInputError(
                f"{directory / path} would delete a file of the image below it: in a layer, a name that begins with "
                f"{_WHITEOUT} says that a file is gone",
                "rename it, or name it in the .dockerignore",
            )
    return tuple(entries[path] for path in sorted(entries))


def dockerfile(directory: Path) -> Path:
    """Return the Dockerfile of a build directory, as buildx finds it: `Dockerfile`, else `dockerfile`.

    Raises:
        MissingInputError: there is neither.
        UnreadableInputError: it is not a file, or a link to none within the directory: BuildKit follows no other.
    """
    path = directory / _dockerfile_name(directory)
    if not os.path.lexists(path):
        raise MissingInputError(f"{path} does not exist", "run the Maven build, or set SCRIPTS_DIR")
    if not _is_own_file(directory, path):
        raise UnreadableInputError(f"{path} is not a file within {directory}", "put the Dockerfile itself there")
    return path


def _dockerfile_name(directory: Path) -> str:
    try:
        names = {item.name for item in directory.iterdir()}
    except OSError as fault:
        raise _unreadable(directory, fault) from fault
    return "dockerfile" if "dockerfile" in names and DOCKERFILE not in names else DOCKERFILE


def _ignore(directory: Path) -> dockerignore.Ignore:
    for name in (f"{_dockerfile_name(directory)}.dockerignore", ".dockerignore"):
        path = directory / name
        if path.is_symlink() and not _is_own_file(directory, path) and not path.is_dir():
            raise UnreadableInputError(
                f"{path} is a link to no file within {directory}, and BuildKit follows no other",
                "put the ignore file itself there",
            )
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as fault:
                raise _unreadable(path, fault) from fault
            return dockerignore.parse(content, path)
    return dockerignore.Ignore()


def _is_own_file(directory: Path, path: Path) -> bool:
    """Whether a path leads to a regular file within the directory."""
    resolved = path.resolve()
    return resolved.is_relative_to(directory.resolve()) and resolved.is_file()


@dataclass(frozen=True)
class _Walk:
    """A walk through a build directory, past what its ignore file names and what is laid over it."""

    ignore: dockerignore.Ignore
    extra: frozenset[str]

    def below(
        self, directory: Path, prefix: str = "", *, ignored: bool = False, matched: dockerignore.Matched = ()
    ) -> Iterator[Entry]:
        """Yield what is kept below a directory whose own path begins every path with `prefix`."""
        for item in _items(directory, ignored=ignored):
            path = prefix + _checked(item.name, directory)
            item_ignored, item_matched = self.ignore.ignores(path, matched)
            if item.is_dir(follow_symlinks=False):
                if path in self.extra:
                    raise UnreadableInputError(f"{item.path} is a directory where a file belongs", "remove it")
                if not item_ignored or self.ignore.exceptions:
                    yield from self._directory(item, path, ignored=item_ignored, matched=item_matched)
            elif not item_ignored and path not in self.extra:
                yield self._read(_entry(item, path), Path(item.path))

    def _directory(
        self, item: os.DirEntry[str], path: str, *, ignored: bool, matched: dockerignore.Matched
    ) -> Iterator[Entry]:
        """Yield a directory and what is kept below it; an ignored one only for the sake of what is."""
        inside = list(self.below(Path(item.path), path + "/", ignored=ignored, matched=matched))
        if inside or not ignored:
            yield Entry(path, "directory", special=_is_special(item))
        yield from inside

    def laid_over(self, directory: Path, path: str, source: Path) -> Iterator[Entry]:
        """Yield a file that is laid over the directory, and the directories it is in, where they are kept."""
        matched: dockerignore.Matched = ()
        *parents, name = _parts(path)
        inside = ""
        kept = []
        for part in parents:
            inside += part
            ignored, matched = self.ignore.ignores(inside, matched)
            kept.append((Entry(inside, "directory"), not ignored))
            if os.path.lexists(directory / inside) and not stat.S_ISDIR(os.lstat(directory / inside).st_mode):
                raise UnreadableInputError(f"{directory / inside} is a file where a directory belongs", "remove it")
            inside += "/"
        ignored, _ = self.ignore.ignores(inside + name, matched)
        yield from (entry for entry, itself in kept if itself or not ignored)
        mode = _mode_of_file(source)
        if not ignored:
            executable, special = bool(mode & _EXECUTABLE), bool(mode & _SPECIAL)
            laid = Entry(path, "file", executable=executable, source=source, special=special)
            yield self._read(laid, directory / path)

    def _read(self, entry: Entry, place: Path) -> Entry:
        """Return an entry of the context, unless it is a file that BuildKit would not read."""
        if entry.kind == "file" and self.ignore.empties(entry.path):
            raise UnreadableInputError(
                f"{place} would be empty in the image: the ignore file keeps it, and then ignores a directory above it",
                "move its `!` line to the end of the ignore file, or remove that line",
            )
        return entry


def _items(directory: Path, *, ignored: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except PermissionError as fault:
        # BuildKit passes over an ignored directory that it may not look into.
        if ignored:
            return []
        raise _unreadable(directory, fault) from fault
    except OSError as fault:
        raise _unreadable(directory, fault) from fault


def _entry(item: os.DirEntry[str], path: str) -> Entry:
    try:
        mode = item.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            text = os.readlink(item.path)  # noqa: PTH115  # A Path would lose slashes that are part of the text.
            return Entry(path, "symlink", target=_checked(text, Path(item.path)))
    except OSError as fault:
        raise _unreadable(Path(item.path), fault) from fault
    if not stat.S_ISREG(mode):
        raise UnreadableInputError(
            f"{item.path} is a pipe, a socket or a device, and no file that an image can be made of",
            "remove it, or name it in the .dockerignore",
        )
    executable, special = bool(mode & _EXECUTABLE), bool(mode & _SPECIAL)
    return Entry(path, "file", executable=executable, source=Path(item.path), special=special)


def _is_special(item: os.DirEntry[str]) -> bool:
    try:
        return bool(item.stat(follow_symlinks=False).st_mode & _SPECIAL)
    except OSError:
        return False  # It only adds a note, and what can be read of the directory has been.


def _mode_of_file(source: Path) -> int:
    """Return the mode of a file that is laid over a directory, whether it is the file itself or a link to one."""
    try:
        mode = source.stat().st_mode
    except FileNotFoundError:
        raise MissingInputError(f"{source} does not exist", "run the Maven build, or set SCRIPTS_DIR") from None
    except OSError as fault:
        raise _unreadable(source, fault) from fault
    if not stat.S_ISREG(mode):
        raise UnreadableInputError(f"{source} is not a file", "remove it and run the Maven build")
    return mode


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path!r} is not a path within a build directory")
    return parts


def _checked(text: str, place: Path) -> str:
    """Return a name or a link's text as UTF-8, which BuildKit's protocol wants, whatever the locale takes it for."""
    try:
        return os.fsencode(text).decode()
    except UnicodeDecodeError:
        raise UnreadableInputError(f"{place} has a name in it that is not UTF-8: {text!r}", "rename it") from None


def _unreadable(path: Path, fault: OSError) -> UnreadableInputError:
    return UnreadableInputError(
        f"{path} cannot be read: {fault.strerror}", "make it readable for this user, then run again"
    )
