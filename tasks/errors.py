"""Every fault that a person can do something about, as one tree.

An error is data: the image that it is about, the message, the next step. `str()` puts them together for the places that
show nothing else; a reporter that shows the image itself takes the fields.

    SleeperImagesError
    ├── ConfigurationError        before anything runs: exit code 3
    │   ├── CatalogueError            catalogue/*.yaml, with file and line
    │   ├── SettingsError             command line, environment, instance.properties
    │   ├── SelectionError            a task, image or stack that does not exist
    │   └── LockedError               another run holds this checkout
    ├── InputError                what images are made of
    │   ├── MissingInputError         a jar or directory that the Maven build should have left
    │   ├── UnreadableInputError      a corrupt, encrypted or bomb-like jar; a file that cannot be read
    │   ├── ChangedWhileBuildingError the inputs moved under the build
    │   └── StagingError              a context cannot be written: the disk is full
    ├── EngineError               Docker, buildx or the builder
    │   ├── EngineGoneError           it no longer answers: one fault, whose text is the same for every image
    │   └── BuildError                one build failed; carries the command, the end of its output and the log
    ├── CommandError              another command of ours failed
    ├── RegistryError             an answer of the registry, or none
    │   └── CredentialsError          no login, or one that was refused
    ├── PreflightError            what stands in the way of building anything at all
    └── ProofError                what the registry holds is not what was pushed

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
        next_step: what to do; empty only where the message says it.
        image: the name of the image, or empty where the fault is not about one image.
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
    """Something in the catalogue, the settings or the command line; nothing has run."""


class CatalogueError(ConfigurationError):
    """A fault in the catalogue; the message begins with `file:line:`."""


class SettingsError(ConfigurationError):
    """A variable that is unknown, missing or malformed."""


class SelectionError(ConfigurationError):
    """A task, image or stack that does not exist."""


class LockedError(ConfigurationError):
    """Another run holds this checkout."""


class InputError(SleeperImagesError):
    """Something that an image is made of."""


class MissingInputError(InputError):
    """A jar, a directory or a file that should be below SCRIPTS_DIR is not there."""


class UnreadableInputError(InputError):
    """A file that is there and cannot be used: corrupt, encrypted, too large when inflated, or not readable."""


class ChangedWhileBuildingError(InputError):
    """The inputs were changed between the fingerprint and the tags; nothing was tagged."""


class StagingError(InputError):
    """A context cannot be written where it is staged."""


class EngineError(SleeperImagesError):
    """Docker, buildx or the builder does not do what is needed."""


class EngineGoneError(EngineError):
    """The engine or the builder stopped answering during the run; every image that it stops has the same text."""


class BuildError(EngineError):
    """One build failed.

    Args:
        message: as for every error.
        next_step: as for every error.
        image: as for every error.
        said: the command's last line that begins with ERROR, or empty.
    """

    def __init__(self, message: str, next_step: str = "", *, image: str = "", said: str = "") -> None:
        super().__init__(message, next_step, image=image)
        self.said = said


class CommandError(SleeperImagesError):
    """A command that we ran failed, or could not be started."""


class RegistryError(SleeperImagesError):
    """The registry's answer, or its silence.

    Args:
        message: as for every error.
        next_step: as for every error.
        image: as for every error.
        status: the HTTP status, or 0 where there was no answer.
        code: the distribution specification's error code (`MANIFEST_UNKNOWN` …), or AWS's, or empty.
        temporary: whether the same request may well succeed later.
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
    """No credentials for a registry or for AWS, or some that were refused."""


class PreflightError(SleeperImagesError):
    """What stands in the way of building, found before the first build; the message lists all of it with its fixes."""


class ProofError(SleeperImagesError):
    """What the registry holds is not what was pushed, or not what this image must be."""
