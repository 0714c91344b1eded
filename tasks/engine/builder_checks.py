"""What a builder must be able to do for a run, checked before its first build.

It must run programs of the images' platforms, and reach the registry: our own requests leave from this machine, those
of BuildKit from where BuildKit runs, which may be a container with its own loopback, resolver, proxy and certificates.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from tasks.engine import builder_records
from tasks.engine.buildx import Engine
from tasks.engine.failure import conclusion
from tasks.engine.nodes import Inspected, parse
from tasks.errors import CommandError, EngineError
from tasks.reference import Registry
from tasks.system import processes

REACH_SECONDS = 90.0
"""How long BuildKit may take to reach a registry. It waits 30 s for a connection; the builds deal with slower ones."""

_MISSING_IMAGE = "sleeper-images/does-not-exist@sha256:" + 64 * "0"
_NOT_REACHED = re.compile(
    r"failed to do request: \w+ \\?\"[^\"]*\": (?P<reason>.*)|failed to fetch \w+ token: \w+ \"[^\"]*\": (?P<token>.*)"
)


# Platforms


def lacking(name: str, found: Inspected, wanted: Collection[str], environment: Mapping[str, str]) -> set[str]:
    """Return the platforms whose programs a builder cannot run; none if it does not say what it can run.

    buildx lists a platform that a node was created for (`--platform`, shown with a star) whether the node can run its
    programs or not. For such a builder, buildx is asked about a copy of its own description without the stars, in a
    separate directory: the same nodes, and what their BuildKit says.
    """
    if not found.platforms:
        return set()
    starred = {node.name: _without_variant(node.given) & _without_variant(wanted) for node in found.nodes}
    real = (_without_stars(name, environment) if any(starred.values()) else found) or found
    return {platform for platform in wanted if not _runs(real, starred, platform)}


def _runs(real: Inspected, starred: Mapping[str, Collection[str]], platform: str) -> bool:
    plain = _without_variant([platform])
    # buildx builds for a platform on the nodes that were created for it, if there are any.
    chosen = {node for node, platforms in starred.items() if plain & set(platforms)} or set(starred)
    return any(plain & _without_variant(node.platforms) for node in real.nodes if node.name in chosen)


def _without_stars(name: str, environment: Mapping[str, str]) -> Inspected | None:
    """Return a builder as if its nodes were created for no platform; None if buildx cannot be asked."""
    try:
        described = json.loads(builder_records.instance_path(name, environment).read_text())
        for node in described["Nodes"]:
            # BuildKit's configuration may hold keys, and makes no difference here.
            node |= {"Platforms": None, "Files": None}
        with tempfile.TemporaryDirectory(prefix="sleeper-images-") as folder:
            (Path(folder) / "instances").mkdir()
            (Path(folder) / "instances" / name.lower()).write_text(json.dumps(described))
            argv = ["docker", "buildx", "inspect", name]
            done = processes.run(argv, environment={**environment, "BUILDX_CONFIG": folder})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = parse(done.output)
    return found if done.code == 0 and found.platforms else None


def _without_variant(platforms: Collection[str]) -> set[str]:
    # arm64 has one variant, which BuildKit leaves out.
    return {name.removesuffix("/v8") if name.endswith("/arm64/v8") else name for name in platforms}


# The registry


def unreachable(
    engine: Engine, found: Inspected | None, registry: Registry, environment: Mapping[str, str]
) -> EngineError | None:
    """Return why the builder cannot reach the registry; None if it can, or if that is unknown.

    BuildKit is asked for a base image that does not exist: any answer of the registry shows that it was reached.
    """
    what = f"the builder {engine.builder} ({engine.driver}) cannot reach the registry {registry}"
    if registry.loopback and found is not None and _has_own_loopback(found):
        return EngineError(f"{what}: it runs in a container with its own loopback", _host_network(engine))
    # Asked twice: a registry that drops one connection is reachable.
    said = _asked(engine, registry, environment) and _asked(engine, registry, environment)
    return EngineError(f"{what}: {said}", next_step(said, engine, registry)) if said else None


def reason(text: str) -> str:
    """Return why a registry did not answer BuildKit, from its last line; empty if it answered."""
    met = _NOT_REACHED.search(text)
    return (met["reason"] or met["token"] or "").strip() if met else ""


def next_step(said: str, engine: Engine, registry: Registry) -> str:
    """Return what to do about a builder that cannot reach the registry, by the reason."""
    contained, own = engine.driver == "docker-container", engine.driver == "docker"
    for sign, of_container, of_engine in _REMEDIES:
        if sign in said and (contained or own):
            return (of_container if contained else of_engine).format(registry=registry)
    if contained:
        return f"{_host_network(engine)}; if a proxy is needed, builder_options=env.HTTPS_PROXY=URL"
    if own:
        return f"check that the engine's machine can connect to {registry}: DNS, proxy (docker info), firewall"
    return f"check that the builder's machine can connect to {registry}"


_REMEDIES = (
    (
        "x509",
        'set builder_config=FILE, with the lines [registry."{registry}"] and ca=["/path/of/ca.pem"]',
        "copy the registry's CA to /etc/docker/certs.d/{registry}/ca.crt on the engine's machine",
    ),
    (
        "HTTP response to HTTPS client",
        'set builder_config=FILE, with the lines [registry."{registry}"] and http=true',
        'add "insecure-registries": ["{registry}"] to the engine\'s daemon.json and restart it',
    ),
    (
        "proxyconnect",
        "correct env.HTTPS_PROXY in builder_options",
        "correct the engine's proxy (`docker info` shows it)",
    ),
)
"""A part of the reason, and what to do about a builder in a container, and about the engine's own."""


def _host_network(engine: Engine) -> str:
    if engine.ours:
        return "set builder_options=network=host (the builder is then created again)"
    return (
        f"leave BUILDER out and set builder_options=network=host, or create {engine.builder} again with "
        "--driver-opt network=host"
    )


def _has_own_loopback(found: Inspected) -> bool:
    if found.driver == "kubernetes":
        return True
    networks = [dict(node.options).get("network") for node in found.nodes]
    return found.driver == "docker-container" and any(network != "host" for network in networks)


def _asked(engine: Engine, registry: Registry, environment: Mapping[str, str]) -> str:
    argv = ["docker", "buildx", "build", f"--builder={engine.builder}", "--progress=plain", "--output=type=cacheonly"]
    dockerfile = f"FROM {registry}/{_MISSING_IMAGE}\n"
    try:
        done = processes.run([*argv, "-"], environment=environment, stdin=dockerfile, timeout=REACH_SECONDS)
    except CommandError:
        return ""
    return reason(conclusion(done.errors)) if done.code != 0 else ""
