"""preflight: everything that stands in the way of this run's builds, found before the first and told at once.

    docker, buildx ─▶ builder ─▶ its platforms, its way to the registry ┐
    docker sees our files
    each repository there, or created ─▶ a push begun and given up ├─▶ Blocked, and one list with each fix
    space for the contexts                     ┘

What stands in the way of one image keeps that one from being built, and nothing else. The task fails where nothing is
left that could be done. That a version tag can be written is part of each decision (`tasks.decisions`).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks import repository
from tasks.decision import Blocked, Build, Unknown
from tasks.errors import EngineError, PreflightError, SleeperImagesError, StagingError
from tasks.graph.actions import NO_CAPTURE, action
from tasks.model import Builder, Image
from tasks.session import Session
from tasks.stage import context_directory
from tasks.system.parallel import Pool

AT_ONCE = 20
"""How many repositories are looked at at once: one for each of Sleeper's images."""

SPARE = 64 << 20
"""Bytes that must stay free beside the contexts: logs, the caches, doit's state."""

_BLOCK = 4096
"""What a file takes beyond its size, at most, on the usual file systems."""


@dataclass
class Faults:
    """What was found: errors, each with the images that it is about; one about none is about every build."""

    found: dict[str, tuple[SleeperImagesError, list[str]]] = field(default_factory=dict)

    def add(self, error: SleeperImagesError, image: str = "") -> None:
        """Add an error; one that says the same of several images is listed once."""
        _, images = self.found.setdefault(error.text, (error, []))
        if image:
            images.append(image)

    @property
    def general(self) -> list[SleeperImagesError]:
        """The errors that are about every build."""
        return [error for error, images in self.found.values() if not images]

    def of(self, image: str) -> SleeperImagesError | None:
        """Return the first error about the image, if there is one."""
        return next((error for error, images in self.found.values() if image in images), None)

    def outlined(self) -> str:
        """Return them as a line each where they are about images, and whole where they are about every build."""
        whole = Faults({key: fault for key, fault in self.found.items() if not fault[1]})
        lines = [_text(error, images).splitlines()[0] for error, images in self.found.values() if images]
        return "\n".join([*lines, *([str(whole)] if whole.found else [])])

    def __str__(self) -> str:
        """Return all of them, numbered, for people; those that have one remedy together."""
        remedies: dict[str, list[str]] = {}
        for error, images in self.found.values():
            remedies.setdefault(error.next_step, []).append(_text(error, images))
        return "\n".join(
            f"{number}. " + "\n".join([*texts, f"next: {step}" if step else ""]).rstrip().replace("\n", "\n   ")
            for number, (step, texts) in enumerate(remedies.items(), 1)
        )


def tasks(session: Session) -> Iterator[dict[str, Any]]:
    """Yield the task."""
    yield {
        "basename": "preflight",
        "doc": "Find all that stands in the way, before the first build.",
        "actions": [action(preflight, session)],
        "task_dep": session.sandbox_first,
        "uptodate": [(is_not_needed, [session])],
        "io": NO_CAPTURE,
        "meta": {"verb": "preflight"},
    }


def is_not_needed(session: Session) -> bool:
    """Whether nothing is to be built, and the registry said so; never where it is all that was asked for."""
    return not session.examines and not _may_build(session)


def _may_build(session: Session) -> bool:
    decisions = (session.decisions.of(image) for image in session.pushes)
    return bool(session.loads) or any(isinstance(decision, Build | Unknown) for decision in decisions)


def preflight(session: Session) -> dict[str, Any]:
    """Look at everything, and block what cannot be pushed.

    Returns:
        What there is to tell, if some images can be pushed and others cannot. Each of those fails for itself, with its
        remedy; what is about every build is told here whole.

    Raises:
        PreflightError: something stands in the way of every image of this run.
    """
    if is_not_needed(session):
        return {}
    faults = look(session)
    if session.examines:
        return _told(session, faults)
    if not faults.found:
        return {}
    for image in _missing(session):
        error = faults.of(image.name) or _in_the_way(image, faults.general)
        if error is not None:
            session.decisions.block(image, error)
    stuck = [image for image in session.pushes if isinstance(session.decisions.of(image), Blocked | Unknown)]
    if len(stuck) == len(session.pushes) and (faults.general or not session.loads):
        raise PreflightError(f"nothing can be built; this stands in the way:\n{faults}")
    return {"note": f"this stands in the way:\n{faults.outlined()}"}


def _told(session: Session, faults: Faults) -> dict[str, Any]:
    """Return in a note that nothing stands in the way; PreflightError with every fault and its remedy where some do."""
    if faults.found:
        raise PreflightError(f"this stands in the way:\n{faults}")
    building = len(_missing(session))
    current = len(session.pushes) - building
    return {"note": f"nothing stands in the way: {building} to build, {current} in the registry"}


def look(session: Session) -> Faults:
    """Return everything that stands in the way of the images that have to be built, and of asking about them."""
    faults = Faults()
    missing = _missing(session)
    for image in session.pushes:
        decision = session.decisions.of(image)
        if isinstance(decision, Blocked | Unknown):
            faults.add(decision.error, image.name)
    with Pool(AT_ONCE + 2) as pool:
        engine = pool.submit(_engine, session, missing) if _may_build(session) else None
        sees = pool.submit(_caught, _sees, session) if missing or session.loads else None
        pushable = [(image, pool.submit(_caught, repository.check, session, image)) for image in missing]
        for error, name in engine.result() if engine else ():
            faults.add(error, name)
        if sees is not None and (unseen := sees.result()) is not None:
            faults.add(unseen)
        for image, answer in pushable:
            if (refusal := answer.result()) is not None:
                faults.add(refusal, image.name)
    if (full := _caught(_space, session, missing)) is not None:
        faults.add(full)
    return faults


def _missing(session: Session) -> list[Image]:
    return [image for image in session.pushes if isinstance(session.decisions.of(image), Build)]


def _caught(check: Callable[..., None], *arguments: object) -> SleeperImagesError | None:
    try:
        check(*arguments)
    except SleeperImagesError as error:
        return error
    return None


def _engine(session: Session, missing: Sequence[Image]) -> list[tuple[SleeperImagesError, str]]:
    """Return what is wrong with the engine, or with what its builder can do; each with the image that it is about."""
    from tasks.engine import builder_checks, builders, daemon, docker_config  # noqa: PLC0415  # Only a run that builds pays.

    environment = session.docker_environment(logged_in=False)
    images = (*missing, *session.loads)
    try:
        docker_config.checked_config(docker_config.user_config_directory(environment) / "config.json")
        if session.builder.as_is:
            daemon.check_engine(environment, engine=False)  # Before it is asked what the builder is.
        driver = builders.driver(session.builder, environment)
        daemon.check_engine(environment, engine=Builder("", driver).in_engine or bool(session.loads))
        engine = session.engine
        found = builders.inspect(engine.builder, environment)
        wanted = {image: _run_for(session, image) for image in images}
        platforms = {name for names in wanted.values() for name in names}
        lacking = builder_checks.lacking(engine.builder, found, platforms, environment) if found is not None else set()
        apart = builder_checks.unreachable(engine, found, session.target.registry, environment) if missing else None
    except SleeperImagesError as error:
        return [(error, "")]
    unable: list[tuple[SleeperImagesError, str]] = [
        (_cannot_run(engine.builder, name), image.name)
        for image, names in wanted.items()
        for name in sorted(lacking & set(names))
    ]
    return [*([(apart, "")] if apart is not None else []), *unable]


def _sees(session: Session) -> None:
    """See that docker sees what we hand it: the login's files below TMPDIR, contexts below STATE_DIR."""
    from tasks.engine import daemon  # noqa: PLC0415  # As above.

    environment = session.docker_environment(logged_in=False)
    daemon.check_sees(Path(tempfile.gettempdir()), environment, setting="TMPDIR")
    daemon.check_sees(_existing(session.state.directory), environment, setting="STATE_DIR")


def _run_for(session: Session, image: Image) -> tuple[str, ...]:
    """Return the platforms whose programs the image's build runs; a COPY needs no program."""
    from tasks.image import dockerfile, gather  # noqa: PLC0415  # As above.

    try:
        text = session.decisions.collected(image).sources.dockerfile.read_text(encoding="utf-8", errors="replace")
    except (SleeperImagesError, OSError):
        return ()  # Its decision says so, or its build will.
    return gather.platforms(image, session.settings) if dockerfile.runs(text) else ()


def _cannot_run(builder: str, platform: str) -> EngineError:
    return EngineError(
        f"the Dockerfile runs commands, and the builder {builder} cannot run those of {platform}",
        "install emulation (docker run --privileged --rm tonistiigi/binfmt --install all; Debian: qemu-user-static), "
        "or give the builder a node of that platform (docs/catalogue.md), or set PLATFORM",
    )


def _space(session: Session, missing: Iterable[Image]) -> None:
    """Refuse to begin what the disk cannot hold: doit may stage every context before the first is pushed."""
    needed = 0
    for image in missing:
        decided = session.decisions.decided(image)
        if not context_directory(session.state.contexts, image, decided.fingerprint).exists():
            needed += sum(file.size + _BLOCK for file in decided.collected.sources.stamps.values())
    if not needed:
        return
    place = _existing(session.state.contexts)
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < needed + SPARE:
        raise StagingError(
            f"the contexts need {_megabytes(needed)}, and {_megabytes(SPARE)} beside them, and {place} "
            f"has {_megabytes(free)}",
            "free some space there, or set STATE_DIR to a directory on a larger disk, or push fewer images (images=…)",
        )


def _existing(directory: Path) -> Path:
    return next(parent for parent in (directory, *directory.parents) if parent.exists())


def _in_the_way(image: Image, general: list[SleeperImagesError]) -> PreflightError | None:
    if not general:
        return None
    first = general[0]
    return PreflightError(f"it was not built: {first.message.splitlines()[0]}", first.next_step, image=image.name)


def _text(error: SleeperImagesError, images: list[str]) -> str:
    about = ", ".join(images) if len(images) <= 3 else f"{len(images)} images"  # noqa: PLR2004  # More would fill a line.
    return f"{about}: {error.message}" if images else error.message


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
