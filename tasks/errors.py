"""Every fault that a user can do something about, as one tree.

An error is data: the image that it is about, the message, the next step. `str()` puts them together for the places that
show nothing else; a reporter that shows the image itself takes the fields.

    SleeperImagesError
    ├── ConfigurationError        before anything runs: exit code 3
    │   ├── CatalogueError            catalogue/*.yaml, with file and line
    │   ├── SettingsError             command line, environment, instance.properties
    │   ├── SelectionError            a task, image or stack that does not exist
    │   └── LockedError               another run holds this checkout
    ├── InputError                what images are made of
    │   ├── MissingInputError         a jar or directory that the Maven build makes
    │   ├── UnreadableInputError      a corrupt, encrypted or bomb-like jar; a file that cannot be read
    │   ├── ChangedWhileBuildingError the inputs changed during the build
    │   └── StagingError              a context cannot be written: the disk is full
    ├── EngineError               Docker, buildx or the builder
    │   ├── EngineGoneError           it stopped answering: one fault, with the same text for every image
    │   └── BuildError                one build failed
    ├── CommandError              another command failed
    ├── RegistryError             an answer of the registry, or none
    │   └── CredentialsError          no login, or a refused one
    ├── PreflightError            nothing can be built
    └── ProofError                the registry does not hold what was pushed

No text of an error holds a secret, whatever it quotes: see `tasks/system/secrets.py`. An exception that is not in this
tree is a bug and keeps its traceback.
"""

from __future__ import annotations

import copy
from typing import Self

from tasks.system.secrets import without_secrets
from tasks.system.text import printable


def with_next_step(message: str, next_step: str) -> str:
    """Return a message and what to do about it, for a place that shows both as one text."""
    return f"{message}\n  next: {next_step}" if next_step else message


class SleeperImagesError(Exception):
    """A fault: what happened, what to do about it, and which image it is about.

    Args:
        message: the thing and the reason, without the image's name in front and without a full stop at the end.
        next_step: what to do; empty only if the message says it.
        image: the name of the image, or empty if the fault is not about one image.
    """

    def __init__(self, message: str, next_step: str = "", *, image: str = "") -> None:
        self.message = printable(without_secrets(message), keep="\n\t")
        self.next_step = printable(without_secrets(next_step), keep="\n\t")
        self.image = image
        super().__init__(self.message)

    def about(self, image: str) -> Self:
        """Return the same fault, about this image; several images may share one fault."""
        error = copy.copy(self)
        error.image = image
        return error

    @property
    def text(self) -> str:
        """The message and the next step, for a place that names the image itself."""
        return with_next_step(self.message, self.next_step)

    def __str__(self) -> str:
        return f"{self.image}: {self.text}" if self.image else self.text


class ConfigurationError(SleeperImagesError):
    """A fault in the catalogue, the settings or the command line; nothing has run."""


class CatalogueError(ConfigurationError):
    """A fault in the catalogue; the message begins with `file:line:`."""


class SettingsError(ConfigurationError):
    """A setting that is unknown, missing or malformed."""


class SelectionError(ConfigurationError):
    """A task, image or stack that does not exist."""


class LockedError(ConfigurationError):
    """Another run holds this checkout."""


class InputError(SleeperImagesError):
    """A fault in what an image is made of."""


class MissingInputError(InputError):
    """A jar, a directory or a file below SCRIPTS_DIR does not exist."""


class UnreadableInputError(InputError):
    """A file exists and cannot be used: it is corrupt, encrypted, too large when inflated, or not readable."""


class ChangedWhileBuildingError(InputError):
    """The inputs changed between the fingerprint and the tags; no tag was written."""


class StagingError(InputError):
    """A build context cannot be staged."""


class EngineError(SleeperImagesError):
    """A fault of Docker, buildx or the builder."""


class EngineGoneError(EngineError):
    """The engine or the builder stopped answering during the run; the text is the same for every image."""


class BuildError(EngineError):
    """One build failed.

    Args:
        message, next_step, image: as for every error.
        said: the command's last line that begins with ERROR, or empty.
        log: the file with the command and its output, or empty.
    """

    def __init__(self, message: str, next_step: str = "", *, image: str = "", said: str = "", log: str = "") -> None:
        super().__init__(message, next_step, image=image)
        self.said = said
        self.log = log

    @property
    def text(self) -> str:
        """The message, the next step and the log."""
        return f"{super().text}\n  log:  {self.log}" if self.log else super().text


class CommandError(SleeperImagesError):
    """A command failed, or could not be started."""


class RegistryError(SleeperImagesError):
    """An answer of the registry, or no answer.

    Args:
        message, next_step, image: as for every error.
        status: the HTTP status; 0 for no answer.
        code: the distribution specification's error code (`MANIFEST_UNKNOWN` …), or AWS's, or empty.
        temporary: whether the same request may succeed later.
    """

    def __init__(
        self,
        message: str,
        next_step: str = "",
        *,
        image: str = "",
        status: int = 0,
        code: str = "",
        temporary: bool = False,
    ) -> None:
        super().__init__(message, next_step, image=image)
        self.status = status
        self.code = code
        self.temporary = temporary


class CredentialsError(RegistryError):
    """No credentials for a registry or for AWS, or refused ones."""


class PreflightError(SleeperImagesError):
    """Problems found before the first build; the message lists them all, each with its next step."""


class ProofError(SleeperImagesError):
    """The registry does not hold what was pushed, or not what this image must be."""
