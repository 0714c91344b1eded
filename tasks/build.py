"""build:<image>: the local engine has the image as `<image>:<version>`, for people who want to run it.

It does not need a registry or an account. A multi-platform image is loaded for the engine's own platform. The image
also gets its inputs tag there: the images of the engine decide whether it is built, as those of the registry do for
`push:<image>`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.engine import buildx, images, retry
from tasks.errors import EngineError, SleeperImagesError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import staging
from tasks.image.collect import Collected
from tasks.image.fingerprint import INPUTS, inputs_tag
from tasks.model import CURRENT, LOADED, Image
from tasks.reference import Digest
from tasks.run_context import RunContext
from tasks.stage import stage_in


@dataclass(frozen=True)
class Built:
    """What buildx built.

    Attributes:
        digest: of the result.
        note: what people should know of the build, or empty.
    """

    digest: Digest
    note: str


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in context.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Build {image.name} and load it into the local engine.",
            "actions": [action(build, context, image)],
            "file_dep": context.file_dependencies[image.name],
            "task_dep": ["builder"],
            "uptodate": [(is_loaded, [context, image])],
            "clean": [(context.state.remove_logs, ["build", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "build", "image": image.name},
        }


def build(context: RunContext, image: Image) -> dict[str, Any]:
    """Build the image and load it into the engine, unless it is there; return its outcome, name and a note."""
    if is_loaded(context, image):
        return {"outcome": CURRENT}
    collected = context.decisions.collected(image)
    names = local_names(context, image)
    # push:<image> removes its context when it is done, perhaps in this same run.
    staged = stage_in(context.state.loads, collected)
    built = run_build(
        context,
        collected,
        staged,
        buildx.Output.load(names),
        verb="build",
        platforms=() if image.multiplatform else collected.inputs.platforms,
        environment=context.docker.environment(),
    )
    context.decisions.check_unchanged(collected)
    staging.remove(staged)
    _remove_replaced(context, image)
    return {"outcome": LOADED, "name": names[0], "note": built.note}


def run_build(
    context: RunContext,
    collected: Collected,
    staged: Path,
    output: buildx.Output,
    *,
    verb: str,
    platforms: Sequence[str],
    environment: Mapping[str, str],
    advise: Callable[[str], str] = lambda _: "",
    renew: Callable[[], None] = lambda: None,
) -> Built:
    """Build a staged context; try again as long as that may help.

    `verb` is the task's, for the log. `platforms` is empty for the builder's own platform. `advise` returns what to
    do about the line in which buildx says why it failed, or nothing; `renew` fetches another login.

    Raises:
        BuildError: the build failed.
        EngineGoneError: the engine stopped answering.
    """
    image, inputs = collected.image, collected.inputs
    engine, force = context.docker.engine, context.settings.force
    pull, pulled = context.bases.pull(inputs, force=force, in_engine=engine.driver == "docker")
    metadata = context.state.metadata(verb, image)
    argv = buildx.command(
        engine,
        staged,
        inputs,
        output,
        platforms=platforms,
        metadata=metadata,
        force=force,
        pull=pull,
    )
    run = functools.partial(
        buildx.build,
        image=image.name,
        environment=environment,
        metadata=metadata,
        log=context.state.log(verb, image),
        listener=context.channel.listener(f"{verb}:{image.name}"),
        advise=advise,
    )
    digest, note = context.docker.alive.build(lambda: retry.build(argv, run, renew=renew))
    return Built(digest, "; ".join(filter(None, (note, pulled))))


def is_loaded(context: RunContext, image: Image) -> bool:
    """Whether the engine has the image of these inputs, and the version is that image."""
    try:
        version, inputs = local_names(context, image)
        held = context.docker.images
        return not context.settings.force and inputs in held and held.get(version) == held[inputs]
    except SleeperImagesError:
        return False  # The action meets the same fault and reports it.


def local_names(context: RunContext, image: Image) -> tuple[str, str]:
    """Return the image's names in the local engine: by its version, and by its inputs."""
    fingerprint = context.decisions.collected(image).inputs.fingerprint()
    return f"{image.name}:{context.version}", f"{image.name}:{inputs_tag(fingerprint)}"


def replaced(held: Mapping[str, str], name: str) -> list[str]:
    """Return the image's names by inputs that are the only name of an image, which a newer build has replaced.

    `held` is the ID of each image in the engine, by name.
    """
    mine = {tag: identity for tag, identity in held.items() if tag.startswith(f"{name}:{INPUTS}")}
    wanted = {identity for tag, identity in held.items() if tag not in mine}
    return sorted(tag for tag, identity in mine.items() if identity not in wanted)


def _remove_replaced(context: RunContext, image: Image) -> None:
    """Free what an earlier build of the image left: its name by inputs would keep it on the disk forever."""
    environment = context.docker.environment()
    try:
        names = replaced(images.named(environment), image.name)
        if names:
            images.remove_names(names, environment)
    except EngineError:
        return  # The image is loaded all the same.
