"""What builds: a buildx builder that is there, booted, and as the catalogue describes it.

    fits and runs ──────────────────▶ kept
    fits, stopped ──────────────────▶ booted
    missing, broken, other options ─▶ created (state kept), under a lock that waits for no other run's builds
    cannot boot ────────────────────▶ the engine's own BuildKit, where that can build for every platform

The user's current builder is never switched: builds name theirs with `--builder`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from tasks import files, lock, run
from tasks.engine.buildx import Engine
from tasks.engine.docker_config import read_config, user_config_directory
from tasks.engine.nodes import Inspected, creation, fits, parse
from tasks.errors import CommandError, EngineError
from tasks.model import Builder
from tasks.secrets import safe

BOOT_SECONDS = 300.0
"""How long a builder may take to boot: the first time it pulls BuildKit's image."""

BUSY_SECONDS = 60.0
"""How long to wait for another run of ours that is creating the same builder."""

MEMORY_SECONDS = 24 * 3600
"""How long it is remembered that a driver could not boot."""

_NO_DAEMON = "Cannot connect to the Docker daemon"
NO_ENGINE = "start Docker (or set DOCKER_HOST, or `docker context use …`), or try `./doitw sandbox push_all`"


def ready(wanted: Builder, environment: Mapping[str, str], memory: Path, hold: contextlib.ExitStack) -> Engine:
    """Get the builder ready.

    Args:
        wanted: what the catalogue and the settings describe.
        environment: for the docker commands.
        memory: a file that remembers for a day that the driver could not boot here, so that not every run tries.
        hold: keeps, until it is closed, other runs of this user from recreating the builder.

    Raises:
        EngineError: no engine answers, or neither the driver nor the engine's own BuildKit can do it.
        LockedError: other runs kept the builder busy for BUSY_SECONDS while it had to be recreated.
    """
    if wanted.driver == "docker":
        return own_engine(environment)
    if known := _remembered(memory, wanted, environment):
        return known
    path = _lock_path(wanted.name, environment)
    shared = contextlib.ExitStack()
    with shared:
        shared.enter_context(lock.held(path, BUSY_SECONDS, shared=True))
        found = inspect(wanted.name, environment)
        if found is not None and fits(found, wanted) and found.running:
            hold.push(shared.pop_all())
            return Engine(wanted.name, wanted.driver)
    with lock.held(path, BUSY_SECONDS):
        fault = _boot(wanted, environment)
    if fault:
        engine = own_engine(environment, because=fault)
        _remember(memory, wanted, environment, engine)
        return engine
    hold.enter_context(lock.held(path, BUSY_SECONDS, shared=True))
    return Engine(wanted.name, wanted.driver)


def inspect(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return what buildx knows of a builder, or None where there is none of that name."""
    done = run.run(["docker", "buildx", "inspect", name], environment=environment)
    if done.code == 0:
        return parse(done.output)
    if "no builder" in done.errors:
        return None
    raise EngineError(f"the builder {name} cannot be inspected\n{run.tail(done)}", NO_ENGINE)


def remove(name: str, environment: Mapping[str, str], *, dryrun: bool = False) -> bool:
    """Remove the builder and what it cached, unless `dryrun`; return whether there is one.

    Raises:
        LockedError: another run builds with it.
        SleeperImagesError: it cannot be inspected or removed.
    """
    with lock.held(_lock_path(name, environment)):
        there = inspect(name, environment) is not None
        if there and not dryrun:
            run.check(
                ["docker", "buildx", "rm", name],
                environment=environment,
                next_step=f"see `docker buildx ls`, then `docker buildx rm {name}`",
            )
    return there


def own_engine(environment: Mapping[str, str], *, because: str = "") -> Engine:
    """Return the engine's own BuildKit as a builder, with a note if that is so `because` another cannot.

    Raises:
        EngineError: no engine answers, or it has no containerd image store: then it can neither build for other
            platforms nor say the digest of what it pushed.
    """
    done = run.run(["docker", "info", "--format", "{{json .DriverStatus}}"], environment=environment)
    if done.code != 0:
        raise EngineError(f"no Docker engine answers\n{run.tail(done)}", NO_ENGINE)
    if "io.containerd.snapshotter" not in done.output:
        raise EngineError(
            f"{because or 'the builder is to be the engine itself'}, but its BuildKit has no containerd image store",
            'let the engine pull BuildKit\'s image, or set {"features": {"containerd-snapshotter": true}} in '
            "the engine's daemon.json, or describe a reachable builder in the catalogue (docs/catalogue.md)",
        )
    context = run.check(["docker", "context", "show"], environment=environment, next_step=NO_ENGINE).output.strip()
    # With DOCKER_HOST set, the engine's builder is called default whatever the context.
    return Engine("default" if environment.get("DOCKER_HOST") else context, "docker", because)


def _boot(wanted: Builder, environment: Mapping[str, str]) -> str:
    """Create the builder where it is missing or unfit, and boot it; return why it cannot boot, or nothing."""
    found = inspect(wanted.name, environment)
    if found is not None and not fits(found, wanted):
        keep = ["--keep-state"] if found.driver == wanted.driver else []
        run.check(
            ["docker", "buildx", "rm", *keep, wanted.name], environment=environment, next_step="see `docker buildx ls`"
        )
        found = None
    if found is None:
        _create(wanted, environment)
    try:
        done = run.run(
            ["docker", "buildx", "inspect", "--bootstrap", wanted.name], environment=environment, timeout=BOOT_SECONDS
        )
    except CommandError as error:
        return f"builder {wanted.name} ({wanted.driver}) cannot boot ({error.message})"
    if done.code == 0 and not parse(done.output).fault:
        return ""
    run.run(["docker", "buildx", "rm", wanted.name], environment=environment)
    return f"builder {wanted.name} ({wanted.driver}) cannot boot ({_reason(done)}), so the engine's own BuildKit builds"


def _create(wanted: Builder, environment: Mapping[str, str]) -> None:
    for argv in creation(wanted):
        done = run.run(argv, environment=environment)
        if done.code == 0:
            continue
        fault = f"the builder {wanted.name} cannot be created\n  {done.command}\n{run.tail(done)}"
        # One that lacks a node does not fit, so that the next run begins anew.
        if _NO_DAEMON in done.errors:
            raise EngineError(fault, NO_ENGINE)
        raise EngineError(fault, "see the builder's description in the catalogue (docs/catalogue.md)")


def _reason(done: run.Completed) -> str:
    """Return the innermost of the causes that a failed command's last line strings together."""
    lines = (done.errors or done.output).strip().splitlines()
    return lines[-1].rpartition(": ")[2].strip() if lines else f"exit code {done.code}"


def _lock_path(name: str, environment: Mapping[str, str]) -> Path:
    # Builders belong to whoever shares buildx's list of them, not to a checkout, and so does their lock: CI jobs with a
    # TMPDIR each may well have one HOME. Its name says nothing to buildx, which keeps builders in `instances`.
    shared = Path(environment.get("BUILDX_CONFIG") or user_config_directory(environment) / "buildx")
    if os.access(shared, os.W_OK):
        return shared / f".sleeper-images-{name}.lock"
    folder = Path(tempfile.gettempdir()) / f"sleeper-images-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid():
        raise EngineError(f"{folder} is no directory of yours", "set TMPDIR to a directory of your own")
    return folder / f"builder-{name}.lock"


def _circumstances(wanted: Builder, environment: Mapping[str, str]) -> dict[str, str]:
    where = {name: environment.get(name, "") for name in ("DOCKER_HOST", "DOCKER_CONTEXT")}
    current = read_config(user_config_directory(environment) / "config.json").get("currentContext", "")
    # An option may hold a secret, such as a proxy's password: its digest tells a change as well.
    described = json.dumps(asdict(wanted), default=str, sort_keys=True)
    return where | {"context": str(current), "builder": hashlib.sha256(described.encode()).hexdigest()}


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
    known = asdict(safe(engine)) | {"at": time.time(), "circumstances": _circumstances(wanted, environment)}
    files.replace(memory, json.dumps(known, indent=2))
