"""The state directory: caches, staged contexts and logs of a checkout. It can be deleted at any time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.model import Image


@dataclass(frozen=True)
class State:
    """The paths below STATE_DIR.

    Attributes:
        directory: the state directory; it may not exist yet.
    """

    directory: Path

    @property
    def lock(self) -> Path:
        """The lock file of a run."""
        return self.directory / "lock"

    @property
    def digests(self) -> Path:
        """The cache of files' digests; `digests.inflated` beside it remembers inflated entries of jars."""
        return self.directory / "digests"

    @property
    def builder(self) -> Path:
        """The file that remembers a builder that does not boot here."""
        return self.directory / "builder.json"

    @property
    def pushed(self) -> Path:
        """The digests.json of the images that this checkout pushed."""
        return self.directory / "digests.json"

    @property
    def report(self) -> Path:
        """The report of the last run that built or pushed."""
        return self.directory / "report.html"

    @property
    def contexts(self) -> Path:
        """The directory of the contexts that are staged for a push."""
        return self.directory / "contexts"

    @property
    def loads(self) -> Path:
        """The directory of the contexts that are staged for a load into the engine."""
        return self.contexts / "load"

    @property
    def logs(self) -> Path:
        """The directory of the logs."""
        return self.directory / "logs"

    def log(self, verb: str, image: Image) -> Path:
        """Return the log of the command that pushes or builds an image."""
        return self.logs / f"{verb}-{image.name}.log"

    def metadata(self, verb: str, image: Image) -> Path:
        """Return the file to which buildx writes the digest of its result."""
        return self.logs / f"{verb}-{image.name}.json"

    def remove_logs(self, verb: str, image: Image, *, dryrun: bool) -> list[Path]:
        """Remove the files that such a command left in `logs`, unless `dryrun`; return which there were."""
        found = [path for path in (self.log(verb, image), self.metadata(verb, image)) if path.exists()]
        for path in () if dryrun else found:
            path.unlink()
        return found
