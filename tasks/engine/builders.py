"""Builders: a buildx builder that exists, is booted, and is as the catalogue describes it.

    ours            fits and runs ───────────▶ kept
                    fits, stopped ───────────▶ booted
                    broken, other options ───▶ created again (its state is kept), once no other run builds with it
    missing         ─────────────────────────▶ created, and recorded as ours
    somebody else's fits, or was only named ─▶ used as it is
                    differs ─────────────────▶ refused, with the differences
    cannot boot     ─────────────────────────▶ the engine's own BuildKit, where it can build for every platform

A record says which builders are ours (`builder_records`), never a name. The user's current builder stays the current
one: builds name theirs with `--builder`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.engine import builder_records, daemon
from tasks.engine.builder_records import Made
from tasks.engine.buildx import Engine
from tasks.engine.nodes import Inspected, creation, differences, parse
from tasks.errors import CommandError, EngineError
from tasks.model import Builder
from tasks.system import lock, processes

OWN_DRIVER = "docker"
"""The driver of the builder that each Docker engine has itself."""

BOOT_SECONDS = 300.0
"""How long a builder may take to boot; the first time, it pulls BuildKit's image."""

BUSY_SECONDS = 60.0
"""How long to wait for another run that creates the same builder."""

_ASKED_HOST = re.compile(r'(?:Get|Head|Post) \\?"https?://([^/"\\]+)')


def ready(wanted: Builder, environment: Mapping[str, str], memory: Path, hold: contextlib.ExitStack) -> Engine:
    """Return the builder, created and booted if necessary, or the engine's own if it cannot boot.

    Args:
        wanted: the builder as the catalogue and the settings describe it.
        environment: for the docker commands.
        memory: a file that remembers for a day that the builder could not boot here.
        hold: until it is closed, no other run of this user recreates the builder.

    Raises:
        EngineError: no engine answers; neither the builder nor the engine's own BuildKit can build; or the builder is
            somebody else's and is not as described.
        LockedError: the builder has to be recreated, and other runs used it for BUSY_SECONDS.
    """
    if wanted.driver == OWN_DRIVER:
        return own_builder(environment)
    if known := builder_records.substitute(memory, wanted, environment):
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
    engine = own_builder(environment, because=booted)
    builder_records.remember_substitute(memory, wanted, environment, engine)
    return engine


def inspect(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return a builder as buildx describes it; None if no builder has that name."""
    done = processes.run(["docker", "buildx", "inspect", name], environment=environment)
    if done.code == 0:
        return parse(done.output)
    if "no builder" in done.errors:
        return None
    if daemon.is_unreachable(done.errors):
        raise daemon.unreachable(done, environment)
    raise EngineError(f"the builder {name} cannot be inspected\n{processes.tail(done)}", "see `docker buildx ls`")


def driver(wanted: Builder, environment: Mapping[str, str]) -> str:
    """Return the driver of the builder that will be used; a builder that is only named may have any."""
    found = inspect(wanted.name, environment) if wanted.as_is else None
    return found.driver if found is not None and found.driver else wanted.driver


def remove(name: str, environment: Mapping[str, str], *, dryrun: bool = False) -> bool:
    """Remove a builder that we made, with its cache, unless `dryrun`; return whether it exists.

    Raises:
        LockedError: another run builds with it.
        SleeperImagesError: it cannot be inspected or removed, or somebody else made it.
    """
    with lock.held(_lock_path(name, environment)):
        found, ours = inspect(name, environment), builder_records.find(name, environment)
        if found is None or found.driver == OWN_DRIVER:
            return False
        if ours is None:
            raise EngineError(
                f"the builder {name} was not made by this project, so it stays",
                f"docker buildx rm {name}, if it is yours",
            )
        if not dryrun:
            _remove(name, ours, environment)
    return True


def _engine(name: str, actual: str, environment: Mapping[str, str]) -> Engine:
    return Engine(name, actual, ours=builder_records.find(name, environment) is not None)


def _unfit(found: Inspected, wanted: Builder, environment: Mapping[str, str]) -> list[str]:
    """Return why a builder of ours has to be created again; empty if it fits.

    Raises:
        EngineError: it is somebody else's and cannot be used as it is; or no engine answers.
    """
    # buildx names the driver of an engine's own builder only if that engine answers, and keeps no file about it.
    unnamed = not found.driver and not builder_records.instance_path(wanted.name, environment).exists()
    if found.driver == OWN_DRIVER or unnamed:
        raise _is_built_in(wanted.name, environment)
    if daemon.is_unreachable(found.fault):
        raise EngineError(f"no Docker engine answers\n    {found.fault}", daemon.next_step(found.fault, environment))
    if ours := builder_records.find(wanted.name, environment):
        changed = ours.config != builder_records.config_digest(wanted)
        return differences(found, wanted) + (["its configuration has changed"] if changed else [])
    faults = list(filter(None, [found.fault])) if wanted.as_is else differences(found, wanted, exact=False)
    if faults:
        raise EngineError(
            f"the builder {wanted.name}, which this project did not make, cannot be used: {'; '.join(faults)}",
            ("" if wanted.as_is else f"use it as it is (builder={wanted.name} and no other BUILDER setting), or ")
            + f"set another name (builder=NAME), or remove it (docker buildx rm {wanted.name})",
        )
    return []


def _boot(wanted: Builder, environment: Mapping[str, str]) -> Engine | str:
    """Create the builder if it is missing or does not fit, and boot it; return it, or why it cannot boot."""
    found = inspect(wanted.name, environment)
    if found is not None and _unfit(found, wanted, environment):
        ours = builder_records.find(wanted.name, environment)
        if ours is None:
            raise EngineError(f"the builder {wanted.name} was changed by somebody else at the same time", "run again")
        _remove(wanted.name, ours, environment, keep_state=found.driver == wanted.driver)
        found = None
    if found is None:
        _create(wanted, environment)
    actual = found.driver if found is not None else wanted.driver
    fault = _bootstrap(wanted.name, actual, environment)
    if not fault:
        return _engine(wanted.name, actual, environment)
    if ours := builder_records.find(wanted.name, environment):
        processes.run(_removal(wanted.name, ours), environment=environment)
        builder_records.forget(wanted.name, environment)
    elif wanted.as_is:
        raise EngineError(fault, f"see `docker buildx inspect --bootstrap {wanted.name}`, or use another builder")
    return fault


def _bootstrap(name: str, actual: str, environment: Mapping[str, str]) -> str:
    """Boot a builder; return why it cannot boot, or an empty text."""
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
    builder_records.begin(wanted, environment)
    for number, argv in enumerate(creation(wanted)):
        done = processes.run(argv, environment=environment)
        if done.code == 0:
            continue
        if number == 0:
            builder_records.forget(wanted.name, environment)  # Whatever has that name now is not ours.
        fault = f"the builder {wanted.name} cannot be created\n  {done.command}\n{processes.tail(done)}"
        # A builder that lacks a node does not fit, so the next run creates it again.
        if daemon.is_unreachable(done.errors):
            raise EngineError(fault, daemon.next_step(done.errors, environment))
        raise EngineError(fault, "correct `builder:` in the catalogue (docs/catalogue.md)")
    found = inspect(wanted.name, environment)
    # Several users' lists of builders may share one engine: its BuildKit may exist already, and others build with it.
    there = found is not None and any(node.exists for node in found.nodes)
    builder_records.finish(wanted, environment, daemon=not there)


def _remove(name: str, ours: Made, environment: Mapping[str, str], *, keep_state: bool = False) -> None:
    step = f"see `docker buildx ls`, then `docker buildx rm {name}`"
    processes.check(_removal(name, ours, keep_state=keep_state), environment=environment, next_step=step)
    builder_records.forget(name, environment)


def _removal(name: str, ours: Made, *, keep_state: bool = False) -> list[str]:
    keep = ["--keep-state"] if keep_state else []
    return ["docker", "buildx", "rm", *keep, *([] if ours.daemon else ["--keep-daemon"]), name]


def _reason(said: str, code: int) -> str:
    """Return the innermost cause in the last line of a failure, and the host that was asked."""
    lines = said.strip().splitlines()
    if not lines:
        return f"exit code {code}"
    reason, host = lines[-1].rpartition(": ")[2].strip(), _ASKED_HOST.search(lines[-1])
    return f"{host[1]}: {reason}" if host else reason


def _lock_path(name: str, environment: Mapping[str, str]) -> Path:
    # The lock lies with buildx's list of builders, because they belong to all who share that list: CI jobs that each
    # have a TMPDIR may share one HOME. buildx looks for builders only in `instances`.
    shared = builder_records.buildx_directory(environment)
    with contextlib.suppress(OSError):
        # With buildx's own mode, so that two first runs use the same directory.
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


# The engine's own builder


def own_builder(environment: Mapping[str, str], *, because: str = "") -> Engine:
    """Return the builder that the engine has itself; with a note if that is `because` another one cannot boot.

    Raises:
        EngineError: no engine answers, or it has no containerd image store: then it can neither build for other
            platforms nor give the digest of what it pushed.
    """
    done = processes.run(["docker", "info", "--format", "{{json .DriverStatus}}"], environment=environment)
    if done.code != 0:
        raise daemon.unreachable(done, environment, because)
    if "io.containerd.snapshotter" not in done.output:
        raise EngineError(
            f"{because or 'the engine builds with its own BuildKit'}, but this engine has no containerd image store",
            'let the engine pull BuildKit\'s image, or set {"features": {"containerd-snapshotter": true}} in '
            "the engine's daemon.json, or describe a reachable builder in the catalogue (docs/catalogue.md)",
        )
    note = f"{because}. The engine's own BuildKit builds; set builder_driver=docker to choose it without this note"
    return Engine(_own_name(environment), OWN_DRIVER, note if because else "")


def _own_name(environment: Mapping[str, str]) -> str:
    """Return the name of the engine's own builder: that of the context, or `default` if DOCKER_HOST is set."""
    if environment.get("DOCKER_HOST"):
        return "default"
    argv = ["docker", "context", "show"]
    return processes.check(argv, environment=environment, next_step="docker context ls").output.strip()


def _is_built_in(name: str, environment: Mapping[str, str]) -> EngineError:
    """Return the error for a builder to create that has the name of an engine's own builder."""
    current = _own_name(environment)
    choose = "builder_driver=docker" if name == current else f"DOCKER_CONTEXT={name} and builder_driver=docker"
    return EngineError(
        f"{name} is the built-in builder of a Docker engine; it cannot be created or configured",
        f"set {choose}, and leave BUILDER out",
    )
