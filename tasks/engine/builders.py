"""What builds: a buildx builder that is there, booted, and as the catalogue describes it.

    ours    fits and runs ──────────────────▶ kept
            fits, stopped ──────────────────▶ booted
            broken, or other options ───────▶ created anew (state kept), under a lock that waits for others' builds
    missing ────────────────────────────────▶ created, and recorded as ours
    another's, fits or was only named ──────▶ used as it is
            differs ────────────────────────▶ refused, with what differs
    cannot boot ────────────────────────────▶ the engine's own BuildKit, where that can build for every platform

What is ours is known by a record (`made`), never by its name. The user's current builder is never switched: builds name
theirs with `--builder`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.engine import cannot_boot, made, own, unanswered
from tasks.engine.buildx import Engine
from tasks.engine.made import Made
from tasks.engine.nodes import Inspected, creation, differences, parse
from tasks.errors import CommandError, EngineError
from tasks.model import Builder
from tasks.system import lock, processes

BOOT_SECONDS = 300.0
"""How long a builder may take to boot: the first time it pulls BuildKit's image."""

BUSY_SECONDS = 60.0
"""How long to wait for another run of ours that is creating the same builder."""

_ASKED_HOST = re.compile(r'(?:Get|Head|Post) \\?"https?://([^/"\\]+)')


def ready(wanted: Builder, environment: Mapping[str, str], memory: Path, hold: contextlib.ExitStack) -> Engine:
    """Get the builder ready.

    Args:
        wanted: what the catalogue and the settings describe.
        environment: for the docker commands.
        memory: a file that remembers for a day that the driver could not boot here, so that not every run tries.
        hold: keeps, until it is closed, other runs of this user from recreating the builder.

    Raises:
        EngineError: no engine answers, neither the driver nor the engine's own BuildKit can do it, or the builder is
            somebody else's and is not as described.
        LockedError: other runs kept the builder busy for BUSY_SECONDS while it had to be recreated.
    """
    if wanted.driver == own.DRIVER:
        return own.engine(environment)
    if known := cannot_boot.remembered(memory, wanted, environment):
        return known
    path = _lock_path(wanted.name, environment)
    shared = contextlib.ExitStack()
    with shared:
        shared.enter_context(lock.held(path, BUSY_SECONDS, shared=True))
        found = inspect(wanted.name, environment)
        if found is not None and found.running and not _unfit(found, wanted, environment):
            hold.push(shared.pop_all())
            return _engine(wanted.name, found.driver, environment)
    with lock.held(path, BUSY_SECONDS):
        booted = _boot(wanted, environment)
    if isinstance(booted, Engine):
        hold.enter_context(lock.held(path, BUSY_SECONDS, shared=True))
        return booted
    engine = own.engine(environment, because=booted)
    cannot_boot.remember(memory, wanted, environment, engine)
    return engine


def inspect(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return what buildx knows of a builder, or None where there is none of that name."""
    done = processes.run(["docker", "buildx", "inspect", name], environment=environment)
    if done.code == 0:
        return parse(done.output)
    if "no builder" in done.errors:
        return None
    if unanswered.is_told_by(done.errors):
        raise unanswered.error(done, environment)
    raise EngineError(f"the builder {name} cannot be inspected\n{processes.tail(done)}", "see `docker buildx ls`")


def driver(wanted: Builder, environment: Mapping[str, str]) -> str:
    """Return the driver of the builder that will be used: that of one that is only named may be any."""
    found = inspect(wanted.name, environment) if wanted.as_is else None
    return found.driver if found is not None and found.driver else wanted.driver


def remove(name: str, environment: Mapping[str, str], *, dryrun: bool = False) -> bool:
    """Remove the builder and what it cached, unless `dryrun`, if we made it; return whether there is one.

    Raises:
        LockedError: another run builds with it.
        SleeperImagesError: it cannot be inspected or removed, or somebody else made it.
    """
    with lock.held(_lock_path(name, environment)):
        found, ours = inspect(name, environment), made.find(name, environment)
        if found is None or found.driver == own.DRIVER:
            return False
        if ours is None:
            said = f"the builder {name} was not made by this project, so it stays"
            raise EngineError(said, f"docker buildx rm {name}, if it is yours")
        if not dryrun:
            _remove(name, ours, environment)
    return True


def _engine(name: str, actual: str, environment: Mapping[str, str]) -> Engine:
    return Engine(name, actual, ours=made.find(name, environment) is not None)


def _unfit(found: Inspected, wanted: Builder, environment: Mapping[str, str]) -> list[str]:
    """Return why a builder of ours has to be created anew, if it has to.

    Raises:
        EngineError: it is not ours, and cannot be used as it is; or no engine answers.
    """
    # buildx says the driver of an engine's own builder only where that engine answers, and keeps no file about it.
    unnamed = not found.driver and not made.instance_path(wanted.name, environment).exists()
    if found.driver == own.DRIVER or unnamed:
        raise own.is_no_choice(wanted.name, environment)
    if unanswered.is_told_by(found.fault):
        raise EngineError(
            f"no Docker engine answers\n    {found.fault}", unanswered.next_step(found.fault, environment)
        )
    if ours := made.find(wanted.name, environment):
        changed = ours.config != made.config_digest(wanted)
        return differences(found, wanted) + (["its configuration has changed"] if changed else [])
    told = [found.fault] if found.fault else []
    if not wanted.as_is:
        told = differences(found, wanted, exact=False)
    if told:
        raise EngineError(
            f"the builder {wanted.name}, which this project did not make, cannot be used: {'; '.join(told)}",
            ("" if wanted.as_is else f"use it as it is (builder={wanted.name} and no other BUILDER setting), or ")
            + f"set another name (builder=NAME), or remove it (docker buildx rm {wanted.name})",
        )
    return []


def _boot(wanted: Builder, environment: Mapping[str, str]) -> Engine | str:
    """Create the builder where it is missing or unfit, and boot it; return it, or why it cannot boot."""
    found = inspect(wanted.name, environment)
    if found is not None and _unfit(found, wanted, environment):
        ours = made.find(wanted.name, environment)
        if ours is None:
            raise EngineError(f"somebody else changed the builder {wanted.name} just now", "run again")
        _remove(wanted.name, ours, environment, keep_state=found.driver == wanted.driver)
        found = None
    if found is None:
        _create(wanted, environment)
    actual = found.driver if found is not None else wanted.driver
    fault = _bootstrap(wanted.name, actual, environment)
    if not fault:
        return _engine(wanted.name, actual, environment)
    if made_here := made.find(wanted.name, environment):
        processes.run(_removal(wanted.name, made_here), environment=environment)
        made.forget(wanted.name, environment)
    elif wanted.as_is:
        raise EngineError(fault, f"see `docker buildx inspect --bootstrap {wanted.name}`, or use another builder")
    return fault


def _bootstrap(name: str, actual: str, environment: Mapping[str, str]) -> str:
    """Boot a builder; return why it cannot boot, or nothing."""
    about = f"builder {name} ({actual}) cannot boot"
    try:
        argv = ["docker", "buildx", "inspect", "--bootstrap", name]
        done = processes.run(argv, environment=environment, timeout=BOOT_SECONDS)
    except CommandError as error:
        return f"{about} ({error.message})"
    fault = parse(done.output).fault
    if done.code == 0 and not fault:
        return ""
    return f"{about} ({_reason(fault or done.errors or done.output, done.code)})"


def _create(wanted: Builder, environment: Mapping[str, str]) -> None:
    made.begin(wanted, environment)
    for number, argv in enumerate(creation(wanted)):
        done = processes.run(argv, environment=environment)
        if done.code == 0:
            continue
        if number == 0:
            made.forget(wanted.name, environment)  # Whatever has that name now is not from here.
        fault = f"the builder {wanted.name} cannot be created\n  {done.command}\n{processes.tail(done)}"
        # One that lacks a node does not fit, so that the next run begins anew.
        if unanswered.is_told_by(done.errors):
            raise EngineError(fault, unanswered.next_step(done.errors, environment))
        raise EngineError(fault, "correct `builder:` in the catalogue (docs/catalogue.md)")
    found = inspect(wanted.name, environment)
    # On an engine that several lists of builders share, its BuildKit may be there already, and others build with it.
    there = found is not None and any(node.exists for node in found.nodes)
    made.finish(wanted, environment, daemon=not there)


def _remove(name: str, ours: Made, environment: Mapping[str, str], *, keep_state: bool = False) -> None:
    step = f"see `docker buildx ls`, then `docker buildx rm {name}`"
    processes.check(_removal(name, ours, keep_state=keep_state), environment=environment, next_step=step)
    made.forget(name, environment)


def _removal(name: str, ours: Made, *, keep_state: bool = False) -> list[str]:
    keep = ["--keep-state"] if keep_state else []
    return ["docker", "buildx", "rm", *keep, *([] if ours.daemon else ["--keep-daemon"]), name]


def _reason(said: str, code: int) -> str:
    """Return the innermost of the causes that a failure's last line strings together, and the host that was asked."""
    lines = said.strip().splitlines()
    if not lines:
        return f"exit code {code}"
    reason, host = lines[-1].rpartition(": ")[2].strip(), _ASKED_HOST.search(lines[-1])
    return f"{host[1]}: {reason}" if host else reason


def _lock_path(name: str, environment: Mapping[str, str]) -> Path:
    # Builders belong to whoever shares buildx's list of them, not to a checkout, and so does their lock: CI jobs with a
    # TMPDIR each may well have one HOME. Its name says nothing to buildx, which keeps builders in `instances`.
    shared = made.buildx_directory(environment)
    with contextlib.suppress(OSError):
        # As buildx makes it, before the first of two runs finds it missing and the second does not.
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.access(shared, os.W_OK):
        return shared / f".sleeper-images-{name.lower()}.lock"
    folder = Path(tempfile.gettempdir()) / f"sleeper-images-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        raise EngineError(f"{folder} is not a directory that you own", "set TMPDIR to a directory of your own")
    return folder / f"builder-{name.lower()}.lock"
