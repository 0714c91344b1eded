"""build:<image>: the image in the local engine as `<image>:<version>`, for people who want to run it.

It needs no registry and no account. A multi-platform image is loaded for the engine's own platform. The image also gets
its inputs tag there: what the engine holds decides whether it is built, as the registry does for `push:<image>`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.engine import buildx, images, retry
from tasks.errors import EngineError, SleeperImagesError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.image import staging
from tasks.image.fingerprint import INPUTS, inputs_tag
from tasks.model import Image
from tasks.push import CURRENT
from tasks.refresh import pulls
from tasks.session import Session
from tasks.stage import prepare

LOADED = "loaded"
"""What became of an image that was built into the engine."""


def tasks(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the task of each image."""
    for image in session.catalogue.images:
        yield {
            "name": image.name,
            "doc": f"Build {image.name} and load it into the local engine.",
            "actions": [action(build, session, image)],
            "file_dep": session.files(image),
            "task_dep": ["builder"],
            "uptodate": [(is_loaded, [session, image])],
            "clean": [(session.state.remove_logs, ["build", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "build", "image": image.name},
        }


def build(session: Session, image: Image) -> dict[str, Any]:
    """Build the image and load it into the engine, unless it is there; return its outcome, names and a note."""
    if is_loaded(session, image):
        return {"outcome": CURRENT}
    made_of = session.decisions.collected(image).inputs
    names = local_names(session, image)
    # push:<image> removes its context when it is done, which may be in this same run.
    context = prepare(session, image, session.state.loads)
    pull, pulled = pulls(session, made_of)
    argv = buildx.command(
        session.engine,
        context,
        made_of,
        buildx.Output.load(names),
        platforms=() if image.multiplatform else made_of.platforms,
        metadata=session.state.metadata("build", image),
        force=session.settings.force,
        pull=pull,
    )
    run_build = functools.partial(
        buildx.build,
        image=image.name,
        environment=session.docker_environment(logged_in=False),
        metadata=session.state.metadata("build", image),
        log=session.state.log("build", image),
        listener=session.listener("build", image),
    )
    _, note = session.alive.build(lambda: retry.build(argv, run_build))
    session.decisions.check_unchanged(image)
    staging.remove(context)
    _remove_replaced(session, image)
    return {"outcome": LOADED, "name": names[0], "note": "; ".join(filter(None, (note, pulled)))}


def is_loaded(session: Session, image: Image) -> bool:
    """Whether the engine holds the image of these inputs, and its version is that image."""
    try:
        version, inputs = local_names(session, image)
        held = _at_first(session)
        return not session.settings.force and inputs in held and held.get(version) == held[inputs]
    except SleeperImagesError:
        return False  # The action meets the same fault and reports it.


def local_names(session: Session, image: Image) -> tuple[str, str]:
    """Return the image's names in the local engine: by its version, and by its inputs."""
    fingerprint = session.decisions.collected(image).inputs.fingerprint()
    return f"{image.name}:{session.version}", f"{image.name}:{inputs_tag(fingerprint)}"


def replaced(held: Mapping[str, str], name: str) -> list[str]:
    """Return those names by inputs that are the only name of an image which was replaced; nobody else asks for it.

    Args:
        held: by name, the ID of each image in the engine.
        name: the image's.
    """
    mine = {tag: identity for tag, identity in held.items() if tag.startswith(f"{name}:{INPUTS}")}
    wanted = {identity for tag, identity in held.items() if tag not in mine}
    return sorted(tag for tag, identity in mine.items() if identity not in wanted)


def _remove_replaced(session: Session, image: Image) -> None:
    """Free what an earlier build of the image left: its name by inputs would keep it on the disk for ever."""
    environment = session.docker_environment(logged_in=False)
    try:
        names = replaced(images.named(environment), image.name)
        if names:
            images.remove_names(names, environment)
    except EngineError:
        return  # It is loaded all the same.


@functools.cache
def _at_first(session: Session) -> Mapping[str, str]:
    """Return what the engine held when this run first asked; nothing without an answer, which the builder reports."""
    try:
        return images.named(session.docker_environment(logged_in=False))
    except SleeperImagesError:
        return {}
