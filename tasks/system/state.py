"""The state directory: what a checkout remembers, where contexts are staged, what commands said. Safe to delete."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.model import Image


@dataclass(frozen=True)
class State:
    """Where everything is below STATE_DIR.

    Attributes:
        directory: the state directory itself; it need not exist yet.
    """

    directory: Path

    @property
    def lock(self) -> Path:
        """The file that a run locks."""
        return self.directory / "lock"

    @property
    def digests(self) -> Path:
        """The cache of what files mean."""
        return self.directory / "digests"

    @property
    def listings(self) -> Path:
        """The cache of what is in jars, entry by entry."""
        return self.directory / "digests.inflated"

    @property
    def builder(self) -> Path:
        """The file that remembers that the builder cannot boot here."""
        return self.directory / "builder.json"

    @property
    def pushed(self) -> Path:
        """The digests.json of what this checkout pushed."""
        return self.directory / "digests.json"

    @property
    def report(self) -> Path:
        """The page about the last run that did work."""
        return self.directory / "report.html"

    @property
    def contexts(self) -> Path:
        """The directory of the contexts that are staged to be pushed."""
        return self.directory / "contexts"

    @property
    def loads(self) -> Path:
        """The directory of those that are staged to be loaded into the engine."""
        return self.contexts / "load"

    @property
    def logs(self) -> Path:
        """The directory of the logs."""
        return self.directory / "logs"

    def log(self, verb: str, image: Image) -> Path:
        """Return the log of a verb's command for an image."""
        return self.logs / f"{verb}-{image.name}.log"

    def metadata(self, verb: str, image: Image) -> Path:
        """Return the file that buildx names its result in."""
        return self.logs / f"{verb}-{image.name}.json"

    def remove_logs(self, verb: str, image: Image, *, dryrun: bool) -> list[Path]:
        """Remove what a verb's command for an image left in `logs`, unless `dryrun`; return what there was."""
        found = [path for path in (self.log(verb, image), self.metadata(verb, image)) if path.exists()]
        for path in () if dryrun else found:
            path.unlink()
        return found
