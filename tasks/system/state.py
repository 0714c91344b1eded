"""The state directory: caches, staged contexts and logs of a checkout. It can be deleted at any time."""

from __future__ import annotations

from pathlib import Path

from tasks.model import Image


class State:
    """The paths below STATE_DIR.

    Attributes:
        directory: the state directory; it may not exist yet.
        lock: the lock file of a run.
        digests: the cache of files' digests; `digests.inflated` beside it remembers inflated entries of jars.
        builder: the file that remembers a builder that does not boot here.
        pushed: the digests.json of the images that this checkout pushed.
        report: the report of the last run that built or pushed.
        contexts: the directory of the contexts that are staged for a push.
        loads: the directory of the contexts that are staged for a load into the engine.
        logs: the directory of the logs.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lock = directory / "lock"
        self.digests = directory / "digests"
        self.builder = directory / "builder.json"
        self.pushed = directory / "digests.json"
        self.report = directory / "report.html"
        self.contexts = directory / "contexts"
        self.loads = self.contexts / "load"
        self.logs = directory / "logs"

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
