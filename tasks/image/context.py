"""The build context: the files of a build directory as `COPY . /` sees them, without those that are ignored.

The rules are BuildKit's, and an integration test compares them with a real engine. `<Dockerfile>.dockerignore` comes
before `.dockerignore`, even if it is empty; a directory of that name does not count. The ignore file and the Dockerfile
are part of the context like any other file, unless a pattern matches them; BuildKit reads both in any case. A link is
kept as a link, wherever it points, and never followed.

BuildKit also sends named pipes, devices, sockets (as empty files) and, in older versions, names that are not UTF-8. The
content of files does not decide what an image of them holds, so they are errors here. So are names that BuildKit copies
and runtimes take for whiteouts.
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
from tasks.image.fingerprint import Item
from tasks.image.jar.file_state import unreadable

DOCKERFILE = "Dockerfile"

_WHITEOUT = ".wh."
"""The prefix of names that delete files ("Whiteouts" in layer.md of the OCI image specification)."""

_SPECIAL = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX

_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True)
class Entry:
    """One thing in a context.

    Attributes:
        path: relative to the context, with slashes; UTF-8 in every locale.
        kind: what it is.
        executable: of a file, whether anybody may execute it.
        target: of a link, its text.
        source: of a file, the path to read it from.
        special: whether it has a setuid, setgid or sticky bit, which does not count and is not staged.
    """

    path: str
    kind: Literal["file", "directory", "symlink"]
    executable: bool = False
    target: str | None = None
    source: Path | None = None
    special: bool = False

    @property
    def mode(self) -> int:
        """The mode in the staged context; the source's own mode and the umask do not count."""
        return 0o755 if self.executable or self.kind == "directory" else 0o644

    def item(self, digest: str = "") -> Item:
        """Return what counts of the entry; `digest` is that of a file's content."""
        return Item(self.path, self.kind, self.executable, digest or self.target or "")


def listing(directory: Path, extra: Mapping[str, Path] = MappingProxyType({})) -> tuple[Entry, ...]:
    """List what `COPY . /` sees of a build directory.

    Args:
        directory: the build directory.
        extra: files to add, by their path in the context. An added file replaces a file or link of that path, and the
            ignore file applies to it, too.

    Returns:
        Files, links and directories, empty ones too, sorted by path.

    Raises:
        MissingInputError: the directory or an extra file does not exist.
        UnreadableInputError: something cannot be read, is not a file, directory or link, or cannot be in a context.
    """
    if not directory.is_dir():
        if directory.exists():
            raise UnreadableInputError(f"{directory} is not a directory", "check SCRIPTS_DIR and the catalogue")
        raise MissingInputError(f"{directory} does not exist", "run the Maven build, or set SCRIPTS_DIR")
    walk = _Walk(_ignore(directory), frozenset(extra))
    entries = {entry.path: entry for entry in walk.below(directory)}
    for path, source in extra.items():
        for entry in walk.added(directory, path, source):
            entries.setdefault(entry.path, entry)
    for path in sorted(entries):
        if path.rpartition("/")[2].startswith(_WHITEOUT):
            raise UnreadableInputError(
                f"{directory / path} would delete a file of the base image: in a layer, a name that begins with "
                f"{_WHITEOUT} marks a deleted file",
                "rename it, or name it in the .dockerignore",
            )
    return tuple(entries[path] for path in sorted(entries))


def dockerfile(directory: Path) -> Path:
    """Return the Dockerfile of a build directory, as buildx finds it: `Dockerfile`, else `dockerfile`.

    Raises:
        MissingInputError: neither exists.
        UnreadableInputError: it is neither a file nor a link to a file within the directory, as BuildKit wants it.
    """
    path = directory / _dockerfile_name(directory)
    if not os.path.lexists(path):
        raise MissingInputError(f"{path} does not exist", "run the Maven build, or set SCRIPTS_DIR")
    if not is_own_file(directory, path):
        raise UnreadableInputError(f"{path} is not a file within {directory}", "put the Dockerfile itself there")
    return path


def _dockerfile_name(directory: Path) -> str:
    try:
        names = {item.name for item in directory.iterdir()}
    except OSError as fault:
        raise unreadable(directory, fault) from fault
    return "dockerfile" if "dockerfile" in names and DOCKERFILE not in names else DOCKERFILE


def _ignore(directory: Path) -> dockerignore.Ignore:
    for name in (f"{_dockerfile_name(directory)}.dockerignore", ".dockerignore"):
        path = directory / name
        if path.is_symlink() and not is_own_file(directory, path) and not path.is_dir():
            raise UnreadableInputError(
                f"{path} is a link that does not lead to a file within {directory}, so BuildKit does not follow it",
                "put the ignore file itself there",
            )
        if path.is_file():
            try:
                content = path.read_bytes()
            except OSError as fault:
                raise unreadable(path, fault) from fault
            return dockerignore.parse(content, path)
    return dockerignore.Ignore()


def is_own_file(directory: Path, path: Path) -> bool:
    """Whether a path leads to a regular file within the directory."""
    resolved = path.resolve()
    return resolved.is_relative_to(directory.resolve()) and resolved.is_file()


@dataclass(frozen=True)
class _Walk:
    """A walk through a build directory, without what its ignore file names and what added files replace."""

    ignore: dockerignore.Ignore
    extra: frozenset[str]

    def below(
        self, directory: Path, prefix: str = "", *, ignored: bool = False, matched: dockerignore.Matched = ()
    ) -> Iterator[Entry]:
        """Yield what is kept below a directory; `prefix` is the directory's own path, with a slash."""
        for item in _items(directory, ignored=ignored):
            path = prefix + _utf8(item.name, f"{directory}: the name")
            item_ignored, item_matched = self.ignore.ignores(path, matched)
            if item.is_dir(follow_symlinks=False):
                if path in self.extra:
                    raise UnreadableInputError(f"{item.path} is a directory and must be a file", "remove it")
                if not item_ignored or self.ignore.exceptions:
                    yield from self._directory(item, path, ignored=item_ignored, matched=item_matched)
            elif not item_ignored and path not in self.extra:
                yield self._read(_entry(item, path), Path(item.path))

    def _directory(
        self, item: os.DirEntry[str], path: str, *, ignored: bool, matched: dockerignore.Matched
    ) -> Iterator[Entry]:
        """Yield a directory and what is kept below it; an ignored directory only if something below is kept."""
        inside = list(self.below(Path(item.path), path + "/", ignored=ignored, matched=matched))
        if inside or not ignored:
            yield Entry(path, "directory", special=_is_special(item))
        yield from inside

    def added(self, directory: Path, path: str, source: Path) -> Iterator[Entry]:
        """Yield an added file and the directories above it, as far as they are kept."""
        matched: dockerignore.Matched = ()
        *parents, name = _parts(path)
        inside = ""
        kept = []
        for part in parents:
            inside += part
            ignored, matched = self.ignore.ignores(inside, matched)
            kept.append((Entry(inside, "directory"), not ignored))
            if os.path.lexists(directory / inside) and not stat.S_ISDIR(os.lstat(directory / inside).st_mode):
                raise UnreadableInputError(f"{directory / inside} is a file and must be a directory", "remove it")
            inside += "/"
        ignored, _ = self.ignore.ignores(inside + name, matched)
        yield from (entry for entry, itself in kept if itself or not ignored)
        mode = _mode_of_file(source)
        if not ignored:
            yield self._read(_file(path, mode, source), directory / path)

    def _read(self, entry: Entry, place: Path) -> Entry:
        """Return an entry of the context; refuse a file that BuildKit would send without its content."""
        if entry.kind == "file" and self.ignore.empties(entry.path):
            raise UnreadableInputError(
                f"{place} would be empty in the image: the ignore file keeps it, then ignores a directory above it",
                "move its `!` line to the end of the ignore file, or remove that line",
            )
        return entry


def _items(directory: Path, *, ignored: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except PermissionError as fault:
        # BuildKit skips an ignored directory that it may not read.
        if ignored:
            return []
        raise unreadable(directory, fault) from fault
    except OSError as fault:
        raise unreadable(directory, fault) from fault


def _entry(item: os.DirEntry[str], path: str) -> Entry:
    try:
        mode = item.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            text = os.readlink(item.path)  # noqa: PTH115  # A Path would lose slashes that are part of the text.
            return Entry(path, "symlink", target=_utf8(text, f"{item.path}: the link's text"))
    except OSError as fault:
        raise unreadable(Path(item.path), fault) from fault
    if not stat.S_ISREG(mode):
        raise UnreadableInputError(
            f"{item.path} is a pipe, a socket or a device, which an image cannot hold",
            "remove it, or name it in the .dockerignore",
        )
    return _file(path, mode, Path(item.path))


def _file(path: str, mode: int, source: Path) -> Entry:
    return Entry(path, "file", bool(mode & _EXECUTABLE), source=source, special=bool(mode & _SPECIAL))


def _is_special(item: os.DirEntry[str]) -> bool:
    try:
        return bool(item.stat(follow_symlinks=False).st_mode & _SPECIAL)
    except OSError:
        return False  # It only adds a note.


def _mode_of_file(source: Path) -> int:
    """Return the mode of an added file, or of the file that it links to."""
    try:
        mode = source.stat().st_mode
    except OSError as fault:
        raise unreadable(source, fault) from fault
    if not stat.S_ISREG(mode):
        raise UnreadableInputError(f"{source} is not a file", "remove it and run the Maven build")
    return mode


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path!r} is not a path within a build directory")
    return parts


def _utf8(text: str, what: str) -> str:
    """Return a name or a link's text as UTF-8, which BuildKit's protocol wants, whatever the locale is."""
    try:
        return os.fsencode(text).decode()
    except UnicodeDecodeError:
        raise UnreadableInputError(f"{what} {text!r} is not UTF-8", "rename it") from None
