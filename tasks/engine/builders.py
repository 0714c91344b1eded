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
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from tasks import files, lock, run
from tasks.engine import made, unanswered
from tasks.engine.buildx import Engine
from tasks.engine.docker_config import read_config, user_config_directory
from tasks.engine.made import Made
from tasks.engine.nodes import Inspected, creation, differences, parse
from tasks.errors import CommandError, EngineError, EngineGoneError
from tasks.model import Builder

BOOT_SECONDS = 300.0
"""How long a builder may take to boot: the first time it pulls BuildKit's image."""

BUSY_SECONDS = 60.0
"""How long to wait for another run of ours that is creating the same builder."""

MEMORY_SECONDS = 24 * 3600
"""How long it is remembered that a driver could not boot."""

OWN = "docker"
"""The driver of the builders that each engine has without one being created."""

_THEN = "; then run again: images already pushed are kept"
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
    if wanted.driver == OWN:
        return own_engine(environment)
    if known := _remembered(memory, wanted, environment):
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
    engine = own_engine(environment, because=booted)
    _remember(memory, wanted, environment, engine)
    return engine


def inspect(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return what buildx knows of a builder, or None where there is none of that name."""
    done = run.run(["docker", "buildx", "inspect", name], environment=environment)
    if done.code == 0:
        return parse(done.output)
    if "no builder" in done.errors:
        return None
    if unanswered.is_told_by(done.errors):
        raise unanswered.error(done, environment)
    raise EngineError(f"the builder {name} cannot be inspected\n{run.tail(done)}", "see `docker buildx ls`")


def driver(wanted: Builder, environment: Mapping[str, str]) -> str:
    """Return the driver of the builder that will be used: that of one that is only named may be any."""
    found = inspect(wanted.name, environment) if wanted.as_is else None
    return found.driver if found is not None and found.driver else wanted.driver


def gone(engine: Engine, environment: Mapping[str, str]) -> EngineGoneError | None:
    """Return why a builder that was ready can build nothing any more, or None where it still answers.

    One that only stopped is booted by the next build, unless it is `remote`.
    """
    done = run.run(["docker", "buildx", "inspect", engine.builder], environment=environment)
    found = parse(done.output)
    if done.code == 0 and not found.fault and (found.running or engine.driver != "remote"):
        return None
    said = found.fault or done.errors.strip()
    if unanswered.is_told_by(said):
        step = unanswered.next_step(said, environment)
        return EngineGoneError(f"the Docker engine no longer answers\n    {said}", f"{step}{_THEN}")
    return EngineGoneError(
        f"the builder {engine.builder} ({engine.driver}) no longer answers\n    {said or 'it does not run'}",
        f"see `docker buildx inspect {engine.builder}`{_THEN}",
    )


def remove(name: str, environment: Mapping[str, str], *, dryrun: bool = False) -> bool:
    """Remove the builder and what it cached, unless `dryrun`, if we made it; return whether there is one.

    Raises:
        LockedError: another run builds with it.
        SleeperImagesError: it cannot be inspected or removed, or somebody else made it.
    """
    with lock.held(_lock_path(name, environment)):
        found, ours = inspect(name, environment), made.find(name, environment)
        if found is None or found.driver == OWN:
            return False
        if ours is None:
            said = f"the builder {name} was not made by this project, so it stays"
            raise EngineError(said, f"docker buildx rm {name}, if it is yours")
        if not dryrun:
            _remove(name, ours, environment)
    return True


def own_engine(environment: Mapping[str, str], *, because: str = "") -> Engine:
    """Return the engine's own BuildKit as a builder, with a note if that is so `because` another cannot.

    Raises:
        EngineError: no engine answers, or it has no containerd image store: then it can neither build for other
            platforms nor say the digest of what it pushed.
    """
    done = run.run(["docker", "info", "--format", "{{json .DriverStatus}}"], environment=environment)
    if done.code != 0:
        raise unanswered.error(done, environment, because)
    if "io.containerd.snapshotter" not in done.output:
        raise EngineError(
            f"{because or 'the builder is to be the engine itself'}, but its BuildKit has no containerd image store",
            'let the engine pull BuildKit\'s image, or set {"features": {"containerd-snapshotter": true}} in '
            "the engine's daemon.json, or describe a reachable builder in the catalogue (docs/catalogue.md)",
        )
    # With DOCKER_HOST set, the engine's builder is called default whatever the context.
    note = f"{because}. The engine's own BuildKit builds; builder_driver=docker chooses it without this note"
    return Engine(_own_builder(environment), OWN, note if because else "")


def _own_builder(environment: Mapping[str, str]) -> str:
    if environment.get("DOCKER_HOST"):
        return "default"
    step = "docker context ls"
    return run.check(["docker", "context", "show"], environment=environment, next_step=step).output.strip()


def _engine(name: str, actual: str, environment: Mapping[str, str]) -> Engine:
    return Engine(name, actual, ours=made.find(name, environment) is not None)


def _unfit(found: Inspected, wanted: Builder, environment: Mapping[str, str]) -> list[str]:
    """Return why a builder of ours has to be created anew, if it has to.

    Raises:
        EngineError: it is not ours, and cannot be used as it is; or no engine answers.
    """
    if found.driver == OWN or (not found.driver and wanted.name == "default"):
        raise _is_the_engines(wanted.name, environment)
    if unanswered.is_told_by(found.fault):
        raise EngineError(
            f"no Docker engine answers\n    {found.fault}", unanswered.next_step(found.fault, environment)
        )
    if ours := made.find(wanted.name, environment):
        changed = ours.config != made.config_digest(wanted)
        return differences(found, wanted) + (["its configuration was another"] if changed else [])
    told = [found.fault] if found.fault else []
    if not wanted.as_is:
        told = differences(found, wanted, exact=False)
    if told:
        raise EngineError(
            f"the builder {wanted.name}, which this project did not make and leaves as it is, cannot be used: "
            + "; ".join(told),
            ("" if wanted.as_is else f"use it as it is (builder={wanted.name} and no other BUILDER setting), or ")
            + f"give another name (builder=NAME: a missing one is created), or docker buildx rm {wanted.name}, if it is "
            "yours",
        )
    return []


def _is_the_engines(name: str, environment: Mapping[str, str]) -> EngineError:
    current = _own_builder(environment)
    choose = "builder_driver=docker" if name == current else f"DOCKER_CONTEXT={name} and builder_driver=docker"
    return EngineError(
        f"{name} is the builder that a Docker engine has itself; it is neither created nor configured",
        f"set {choose}, and leave BUILDER out",
    )


def _boot(wanted: Builder, environment: Mapping[str, str]) -> Engine | str:
    """Create the builder where it is missing or unfit, and boot it; return it, or why it cannot boot."""
    found = inspect(wanted.name, environment)
    if found is not None and _unfit(found, wanted, environment):
        ours = made.find(wanted.name, environment) or Made()
        _remove(wanted.name, ours, environment, keep_state=found.driver == wanted.driver)
        found = None
    if found is None:
        _create(wanted, environment)
    actual = found.driver if found is not None else wanted.driver
    fault = _bootstrap(wanted.name, actual, environment)
    if not fault:
        return _engine(wanted.name, actual, environment)
    if made_here := made.find(wanted.name, environment):
        run.run(_removal(wanted.name, made_here), environment=environment)
        made.forget(wanted.name, environment)
    elif wanted.as_is:
        raise EngineError(fault, f"see `docker buildx inspect --bootstrap {wanted.name}`, or use another builder")
    return fault


def _bootstrap(name: str, actual: str, environment: Mapping[str, str]) -> str:
    """Boot a builder; return why it cannot boot, or nothing."""
    about = f"builder {name} ({actual}) cannot boot"
    try:
        argv = ["docker", "buildx", "inspect", "--bootstrap", name]
        done = run.run(argv, environment=environment, timeout=BOOT_SECONDS)
    except CommandError as error:
        return f"{about} ({error.message})"
    fault = parse(done.output).fault
    if done.code == 0 and not fault:
        return ""
    return f"{about} ({_reason(fault or done.errors or done.output, done.code)})"


def _create(wanted: Builder, environment: Mapping[str, str]) -> None:
    made.begin(wanted, environment)
    for argv in creation(wanted):
        done = run.run(argv, environment=environment)
        if done.code == 0:
            continue
        fault = f"the builder {wanted.name} cannot be created\n  {done.command}\n{run.tail(done)}"
        # One that lacks a node does not fit, so that the next run begins anew.
        if unanswered.is_told_by(done.errors):
            raise EngineError(fault, unanswered.next_step(done.errors, environment))
        raise EngineError(fault, "see the builder's description in the catalogue (docs/catalogue.md)")
    found = inspect(wanted.name, environment)
    # An engine that several list of builders share may have its BuildKit already, which others build with.
    there = found is not None and any(node.exists for node in found.nodes)
    made.finish(wanted, environment, daemon=not there)


def _remove(name: str, ours: Made, environment: Mapping[str, str], *, keep_state: bool = False) -> None:
    step = f"see `docker buildx ls`, then `docker buildx rm {name}`"
    run.check(_removal(name, ours, keep_state=keep_state), environment=environment, next_step=step)
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
        raise EngineError(f"{folder} is no directory of yours", "set TMPDIR to a directory of your own")
    return folder / f"builder-{name.lower()}.lock"


def _circumstances(wanted: Builder, environment: Mapping[str, str]) -> dict[str, str]:
    where = {name: environment.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    current = read_config(user_config_directory(environment) / "config.json").get("currentContext", "")
    described = json.dumps(asdict(replace(wanted, as_is=False)), default=str, sort_keys=True)
    return where | {"context": str(current), "builder": described, "config": made.config_digest(wanted)}


def _remembered(memory: Path, wanted: Builder, environment: Mapping[str, str]) -> Engine | None:
    """Return what stood in for the builder when it was last tried and could not boot."""
    try:
        known = json.loads(memory.read_text())
        young = 0 <= time.time() - float(known["at"]) < MEMORY_SECONDS
        if young and known["circumstances"] == _circumstances(wanted, environment):
            return Engine(str(known["builder"]), str(known["driver"]), str(known["note"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Forgotten or damaged: the builder is tried again, which costs only time.
    return None


def _remember(memory: Path, wanted: Builder, environment: Mapping[str, str], engine: Engine) -> None:
    known = asdict(engine) | {"at": time.time(), "circumstances": _circumstances(wanted, environment)}
    files.replace(memory, json.dumps(known, indent=2))
