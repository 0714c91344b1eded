"""build:<image>: the image in the local engine as `<image>:<version>`, for people who want to run it.

It needs no registry and no account. A multi-platform image is loaded for the engine's own platform.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from tasks import run
from tasks.actions import NO_CAPTURE, action
from tasks.engine import buildx, minimum, retry
from tasks.errors import SleeperImagesError
from tasks.inputs import staging
from tasks.model import Image
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
            "uptodate": [_loaded_check(session, image)],
            "clean": [(session.state.remove_logs, ["build", image])],
            "io": NO_CAPTURE,
            "meta": {"verb": "build", "image": image.name},
        }


def build(session: Session, image: Image) -> dict[str, Any]:
    """Build the image and load it into the engine; return its name, the engine's id of it, its fingerprint, a note."""
    made_of = session.decisions.gathered(image).inputs
    # push:<image> removes its context when it is done, which may be in this same run.
    context = prepare(session, image, session.state.loads)
    pull, pulled = pulls(session, made_of)
    argv = buildx.command(
        session.engine,
        context,
        made_of,
        buildx.Output.load(local_name(session, image)),
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
    return {
        "outcome": LOADED,
        "name": local_name(session, image),
        "id": _in_engine(session).get(local_name(session, image)),
        "fingerprint": made_of.fingerprint(),
        "note": "; ".join(filter(None, (note, pulled))),
    }


def _loaded_check(session: Session, image: Image) -> Callable[..., bool]:
    # doit hands over the saved values by position and by these names (doit 0.37, dependency.py:624-631).
    def check(task: object, values: dict[str, Any]) -> bool:  # noqa: ARG001  # As above.
        return is_loaded(session, image, values)

    return check


def is_loaded(session: Session, image: Image, values: dict[str, Any]) -> bool:
    """Whether the engine holds the image that we last built, and it was made of what it would be made of now."""
    try:
        made_of = session.decisions.gathered(image).inputs
        name = local_name(session, image)
        if session.settings.force or values.get("fingerprint") != made_of.fingerprint() or values.get("name") != name:
            return False
        return values.get("id") is not None and _at_first(session).get(name) == values["id"]
    except SleeperImagesError:
        return False  # The action meets the same fault and reports it.


def local_name(session: Session, image: Image) -> str:
    """Return the image's name in the local engine."""
    return f"{image.name}:{session.version}"


@functools.cache
def _at_first(session: Session) -> dict[str, str]:
    """Return what the engine held when this run first asked; nothing where it did not answer."""
    try:
        return _in_engine(session)
    except SleeperImagesError:
        return {}


def _in_engine(session: Session) -> dict[str, str]:
    """Return the engine's images, name to id; none where no engine answers, which the builder reports."""
    done = run.run(
        ["docker", "image", "ls", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"],
        environment=session.docker_environment(logged_in=False),
        timeout=minimum.SECONDS,
    )
    lines = (line.partition(" ") for line in done.output.splitlines()) if done.code == 0 else ()
    return {name: identity for name, _, identity in lines}
