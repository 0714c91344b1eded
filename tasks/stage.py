"""stage:<image>: give the image a build context of its own.

    sources below SCRIPTS_DIR ─▶ copied to STATE_DIR/contexts/<image>-<fingerprint>, if the image has to be built

All lambdas share `docker/lambda`, therefore each needs a copy with its own jar; SCRIPTS_DIR is only read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.decision import Build
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import staging
from tasks.image.collect import Collected
from tasks.model import Image
from tasks.run_context import RunContext

_CONTEXT = re.compile("-[0-9a-f]{12}$")


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in context.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Stage the build context of {image.name}.",
            "actions": [action(stage, context, image)],
            "file_dep": context.file_dependencies[image.name],
            "task_dep": context.before,
            "uptodate": [(is_not_needed, [context, image])],
            "clean": [(remove, [context, image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "stage", "image": image.name},
        }


def is_not_needed(context: RunContext, image: Image) -> bool:
    """Whether the image need not be built."""
    return not isinstance(context.decisions.of(image), Build)


def stage(context: RunContext, image: Image) -> None:
    """Stage the context, if the image has to be built."""
    if not is_not_needed(context, image):
        stage_in(context.state.contexts, context.decisions.collected(image))


def context_directory(parent: Path, image: Image, fingerprint: str) -> Path:
    """Return where the image's context is staged; BuildKit tells contexts apart by the last part of their path."""
    return parent / f"{image.name}-{fingerprint[:12]}"


def stage_in(parent: Path, collected: Collected) -> Path:
    """Copy the image's context to a directory of its own below `parent` and return it; remove its older ones.

    Raises:
        InputError: a file cannot be read, or changed since the image was decided on.
    """
    image, sources = collected.image, collected.sources
    destination = context_directory(parent, image, collected.inputs.fingerprint())
    for older in _staged(parent, image) - {destination}:
        staging.remove(older)
    staging.stage(sources.entries, sources.dockerfile, destination, sources.states)
    return destination


def sweep(context: RunContext) -> None:
    """Remove what killed runs and failed builds left; no task removes the context of an image that is current.

    Raises:
        StagingError: a context cannot be removed.
    """
    for folder in (context.state.contexts, context.state.loads):
        for path in folder.iterdir() if folder.is_dir() else ():
            name = path.name.removesuffix(staging.PARTIAL)
            if _CONTEXT.search(name):
                staging.remove(path.with_name(name))


def remove(context: RunContext, image: Image, *, dryrun: bool) -> list[Path]:
    """Remove the image's contexts from this machine, unless `dryrun`; return what there was.

    Raises:
        StagingError: one cannot be removed.
    """
    found = [path for parent in (context.state.contexts, context.state.loads) for path in _staged(parent, image)]
    for path in () if dryrun else found:
        staging.remove(path)
    return sorted(found)


def _staged(parent: Path, image: Image) -> set[Path]:
    """Return the image's contexts below `parent`, including those that are only partly written."""
    pattern = f"{image.name}-{'[0-9a-f]' * 12}"
    return {
        path.with_name(path.name.removesuffix(staging.PARTIAL))
        for suffix in ("", staging.PARTIAL)
        for path in parent.glob(pattern + suffix)
    }
