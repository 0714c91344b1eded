"""The archives that count by their content and not by their bytes, one row each.

A new format is a row here and a module with a function `read`, whose arguments are those of `Format.read`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tasks.image.fingerprint import JAR_SCHEME
from tasks.image.jar.file_state import FileState


class Archive(Protocol):
    """An archive that was read."""

    @property
    def digest(self) -> str:
        """`<format>-<scheme>:<hexadecimal>`, or `sha256:<hexadecimal>` of the bytes of a file of another format."""

    def entries(self) -> Mapping[str, str]:
        """Return each entry's name and a digest of what counts of it."""


@dataclass(frozen=True)
class Format:
    """A format of archives.

    Attributes:
        name: the beginning of its content digests: small letters.
        suffix: how the names of its files end; the name of a file decides how it is read.
        scheme: counts up when the same archive gets another content digest.
        module: the module that reads it, which is imported only if such a file is read.
    """

    name: str
    suffix: str
    scheme: int
    module: str

    @property
    def prefix(self) -> str:
        """What its content digests begin with."""
        return f"{self.name}-{self.scheme}"

    def read(self, path: Path, known: dict[bytes, bytes], expected: FileState) -> Archive:
        """Read an archive.

        Args:
            path: the file.
            known: as in `tasks.image.jar.cache_file.Inflated`; a format need not use it.
            expected: the state that the file must have.

        Raises:
            ChangedWhileBuildingError: the file is in another state.
            MissingInputError: the file does not exist.
            UnreadableInputError: the archive is damaged, or cannot be read.
        """
        found: Archive = importlib.import_module(self.module).read(path, known, expected)
        return found


JAR = Format("jar", ".jar", JAR_SCHEME, "tasks.image.jar.content")

FORMATS = (JAR,)


def format_of(path: Path) -> Format | None:
    """Return the format of an archive by its name; None for a file that counts by its bytes."""
    return next((one for one in FORMATS if path.name.endswith(one.suffix) and path.name != one.suffix), None)
