"""preflight: every problem of this run's builds, found before the first build and shown at once.

    docker, buildx ─▶ builder ─▶ its platforms, its way to the registry ┐
    docker can read the files of this run ──────────────────────────────┤
    each repository exists or is created ─▶ upload begun and cancelled ─┼▶ Blocked, and one list with each next step
    space for the contexts ─────────────────────────────────────────────┘

A problem of one image blocks that image and nothing else. The task fails if no image is left to build. Whether a
version tag can be written is part of each decision (`tasks.decisions`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.decision import Blocked, Build, Unknown
from tasks.errors import EngineError, PreflightError, SleeperImagesError, StagingError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.model import Builder, Image
from tasks.registry.model import Descriptor
from tasks.run_context import RunContext
from tasks.stage import context_directory
from tasks.system.parallel import Pool

AT_ONCE = 20
"""How many repositories are checked at once: one for each of Sleeper's images."""

SPARE = 64 << 20
"""Bytes that must stay free besides the contexts, for logs and caches."""

_BLOCK = 4096
"""The most that a file takes beyond its size on the usual file systems."""


@dataclass
class Faults:
    """The problems: errors, each with the images that it is about; an error about no image is about every build."""

    found: dict[str, tuple[SleeperImagesError, list[str]]] = field(default_factory=dict)

    def add(self, error: SleeperImagesError, image: str = "") -> None:
        """Add an error; the same error of several images is listed once."""
        _, images = self.found.setdefault(error.text, (error, []))
        if image:
            images.append(image)

    @property
    def general(self) -> list[SleeperImagesError]:
        """The errors that are about every build."""
        return [error for error, images in self.found.values() if not images]

    def of(self, image: str) -> SleeperImagesError | None:
        """Return the first error about the image, or None."""
        return next((error for error, images in self.found.values() if image in images), None)

    def outlined(self) -> str:
        """Return a line for each error about images, and the whole of each error about every build."""
        whole = Faults({key: fault for key, fault in self.found.items() if not fault[1]})
        lines = [_text(error, images).splitlines()[0] for error, images in self.found.values() if images]
        return "\n".join([*lines, *([str(whole)] if whole.found else [])])

    def __str__(self) -> str:
        """Return all errors, numbered, for people; those with the same next step together."""
        steps: dict[str, list[str]] = {}
        for error, images in self.found.values():
            steps.setdefault(error.next_step, []).append(_text(error, images))
        return "\n".join(
            f"{number}. " + "\n".join([*texts, f"next: {step}" if step else ""]).rstrip().replace("\n", "\n   ")
            for number, (step, texts) in enumerate(steps.items(), 1)
        )


def tasks(context: RunContext) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "preflight",
        "doc": "Find every problem before the first build.",
        "actions": [action(preflight, context)],
        "task_dep": context.sandbox_first,
        "uptodate": [(is_not_needed, [context])],
        "io": NO_CAPTURE,
        "meta": {"verb": "preflight"},
    }


def is_not_needed(context: RunContext) -> bool:
    """Whether nothing has to be built, as the registry says; False if the command line names only preflight."""
    return not context.asked.preflight and not _may_build(context)


def _may_build(context: RunContext) -> bool:
    decisions = (context.decisions.of(image) for image in context.asked.pushes)
    return bool(context.asked.loads) or any(isinstance(decision, Build | Unknown) for decision in decisions)


def preflight(context: RunContext) -> dict[str, Any]:
    """Check everything, and block the images that cannot be built or pushed.

    Returns:
        A note, if some images can be pushed and others cannot. The task of each of those fails with its own next step;
        an error about every build is shown whole in the note.

    Raises:
        PreflightError: no image of this run can be pushed.
    """
    if is_not_needed(context):
        return {}
    faults = look(context)
    if context.asked.preflight:
        return _examined(context, faults)
    if not faults.found:
        return {}
    for image in _to_build(context):
        error = faults.of(image.name) or _blocked_by(image, faults.general)
        if error is not None:
            context.decisions.block(image, error)
    stuck = [image for image in context.asked.pushes if isinstance(context.decisions.of(image), Blocked | Unknown)]
    if len(stuck) == len(context.asked.pushes) and (faults.general or not context.asked.loads):
        raise PreflightError(f"nothing can be built:\n{faults}")
    return {"note": f"some images cannot be built:\n{faults.outlined()}"}


def _examined(context: RunContext, faults: Faults) -> dict[str, Any]:
    """Return a note that no problem was found; otherwise raise PreflightError with every problem."""
    if faults.found:
        raise PreflightError(f"not everything can be built:\n{faults}")
    building = len(_to_build(context))
    current = len(context.asked.pushes) - building
    return {"note": f"no problem found: {building} to build, {current} in the registry"}


def look(context: RunContext) -> Faults:
    """Return every problem of the images that have to be built, and of asking the registry about them."""
    faults = Faults()
    missing = _to_build(context)
    for image in context.asked.pushes:
        decision = context.decisions.of(image)
        if isinstance(decision, Blocked | Unknown):
            faults.add(decision.error, image.name)
    with Pool(AT_ONCE + 2) as pool:
        engine = pool.submit(_engine, context, missing) if _may_build(context) else None
        sees = pool.submit(_caught, _sees, context) if missing or context.asked.loads else None
        pushable = [(image, pool.submit(_caught, check_push, context, image)) for image in missing]
        for error, name in engine.result() if engine else ():
            faults.add(error, name)
        if sees is not None and (unseen := sees.result()) is not None:
            faults.add(unseen)
        for image, answer in pushable:
            if (refusal := answer.result()) is not None:
                faults.add(refusal, image.name)
    if (full := _caught(_space, context, missing)) is not None:
        faults.add(full)
    return faults


def _to_build(context: RunContext) -> list[Image]:
    return [image for image in context.asked.pushes if isinstance(context.decisions.of(image), Build)]


def _caught(check: Callable[..., None], *arguments: object) -> SleeperImagesError | None:
    try:
        check(*arguments)
    except SleeperImagesError as error:
        return error
    return None


def _engine(context: RunContext, missing: Sequence[Image]) -> list[tuple[SleeperImagesError, str]]:
    """Return each problem of the engine and its builder, with the image that it is about."""
    from tasks.engine import builder_checks, builders, daemon, docker_config  # noqa: PLC0415  # Only a run that builds pays.

    environment = context.docker.environment()
    images = (*missing, *context.asked.loads)
    try:
        docker_config.checked_config(docker_config.user_config_directory(environment) / "config.json")
        if context.docker.builder.as_is:
            daemon.check_engine(environment, engine=False)  # Before it is asked what the builder is.
        driver = builders.driver(context.docker.builder, environment)
        daemon.check_engine(environment, engine=Builder("", driver).in_engine or bool(context.asked.loads))
        engine = context.docker.engine
        found = builders.inspect(engine.builder, environment)
        wanted = {image: _run_for(context, image) for image in images}
        platforms = {name for names in wanted.values() for name in names}
        lacking = builder_checks.lacking(engine.builder, found, platforms, environment) if found is not None else set()
        apart = builder_checks.unreachable(engine, found, context.target.registry, environment) if missing else None
    except SleeperImagesError as error:
        return [(error, "")]
    unable: list[tuple[SleeperImagesError, str]] = [
        (_cannot_run(engine.builder, name), image.name)
        for image, names in wanted.items()
        for name in sorted(lacking & set(names))
    ]
    return [*([(apart, "")] if apart is not None else []), *unable]


def check_push(context: RunContext, image: Image) -> None:
    """Prove that the image can be pushed: its repository exists or is created, and the login may push."""
    decided = context.decisions.decided(image)
    exists = any(isinstance(answer, Descriptor) for answer in decided.held.values())
    context.repositories.check(decided.repository, exists=exists)


def _sees(context: RunContext) -> None:
    """Check that docker sees the files that it is given: the login below TMPDIR, contexts below STATE_DIR."""
    from tasks.engine import daemon  # noqa: PLC0415  # As above.

    environment = context.docker.environment()
    daemon.check_sees(Path(tempfile.gettempdir()), environment, setting="TMPDIR")
    daemon.check_sees(_existing(context.state.directory), environment, setting="STATE_DIR")


def _run_for(context: RunContext, image: Image) -> tuple[str, ...]:
    """Return the platforms whose programs the image's build runs; a COPY runs no program."""
    from tasks.image import collect, dockerfile  # noqa: PLC0415  # As above.

    try:
        text = context.decisions.collected(image).sources.dockerfile.read_text(encoding="utf-8", errors="replace")
    except (SleeperImagesError, OSError):
        return ()  # Its decision or its build reports that.
    return collect.platforms(image, context.settings) if dockerfile.runs(text) else ()


def _cannot_run(builder: str, platform: str) -> EngineError:
    return EngineError(
        f"the Dockerfile runs commands, and the builder {builder} cannot run programs for {platform}",
        "install emulation (docker run --privileged --rm tonistiigi/binfmt --install all; Debian: qemu-user-static), "
        "or give the builder a node of that platform (docs/catalogue.md), or set PLATFORM",
    )


def _space(context: RunContext, missing: Iterable[Image]) -> None:
    """Check that the disk holds every context: doit may stage all of them before the first push.

    Raises:
        StagingError: there is not enough space.
    """
    needed = 0
    for image in missing:
        decided = context.decisions.decided(image)
        if not context_directory(context.state.contexts, image, decided.fingerprint).exists():
            needed += sum(file.size + _BLOCK for file in decided.collected.sources.states.values())
    if not needed:
        return
    place = _existing(context.state.contexts)
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < needed + SPARE:
        raise StagingError(
            f"not enough space in {place}: the contexts need {_megabytes(needed)} and {_megabytes(SPARE)} to spare, "
            f"{_megabytes(free)} are free",
            "free some space there, or set STATE_DIR to a directory on a larger disk, or push fewer images (images=…)",
        )


def _existing(directory: Path) -> Path:
    return next(parent for parent in (directory, *directory.parents) if parent.exists())


def _blocked_by(image: Image, general: list[SleeperImagesError]) -> PreflightError | None:
    if not general:
        return None
    first = general[0]
    return PreflightError(f"not built: {first.message.splitlines()[0]}", first.next_step, image=image.name)


def _text(error: SleeperImagesError, images: list[str]) -> str:
    about = ", ".join(images) if len(images) <= 3 else f"{len(images)} images"  # noqa: PLR2004  # More would fill a line.
    return f"{about}: {error.message}" if images else error.message


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
