"""Whether a builder reaches the registry, found before the first build and once.

Our own requests go out from this machine. BuildKit's go out from where BuildKit runs, which may be a container with a
loopback, a resolver, a proxy and certificates of its own. What is known of the builder is told at once. Otherwise
BuildKit is asked for a base image that nobody has: an answer of the registry, whichever it is, shows the way is open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tasks.engine.buildx import Engine
from tasks.engine.nodes import Inspected
from tasks.errors import CommandError, EngineError
from tasks.reference import Registry
from tasks.system import processes

SECONDS = 90.0
"""How long BuildKit may take to say so. It waits 30 s for a connection; one that takes longer is left to the builds."""

_NOBODYS = "sleeper-images/does-not-exist@sha256:" + 64 * "0"
_NO_WAY = re.compile(
    r"failed to do request: \w+ \\?\"[^\"]*\": (?P<reason>.*)|failed to fetch \w+ token: \w+ \"[^\"]*\": (?P<token>.*)"
)


def fault(
    engine: Engine, found: Inspected | None, registry: Registry, environment: Mapping[str, str]
) -> EngineError | None:
    """Return why the builder cannot reach the registry, or None where it can or nobody can say.

    Args:
        engine: the builder.
        found: what buildx says of it.
        registry: where images go.
        environment: for the docker commands.
    """
    what = f"the builder {engine.builder} ({engine.driver}) cannot reach the registry {registry}"
    if registry.loopback and found is not None and _is_apart(found):
        return EngineError(f"{what}: it runs in a container with a loopback of its own", _on_the_hosts_network(engine))
    # A registry that let one connection go is not out of reach.
    said = _asked(engine, registry, environment) and _asked(engine, registry, environment)
    return EngineError(f"{what}: {said}", next_step(said, engine, registry)) if said else None


def reason(text: str) -> str:
    """Return why BuildKit got no answer of a registry, from the last line that it says; nothing where it got one."""
    met = _NO_WAY.search(text)
    return (met["reason"] or met["token"] or "").strip() if met else ""


def next_step(said: str, engine: Engine, registry: Registry) -> str:
    """Return what to do about a builder that gets no answer, by the reason."""
    contained, own = engine.driver == "docker-container", engine.driver == "docker"
    for sign, of_container, of_engine in _REMEDIES:
        if sign in said and (contained or own):
            return (of_container if contained else of_engine).format(registry=registry)
    if contained:
        return f"{_on_the_hosts_network(engine)}; where a proxy is needed, builder_options=env.HTTPS_PROXY=URL"
    if own:
        return f"check that the engine's machine can connect to {registry}: DNS, proxy (docker info), firewall"
    return f"check that the builder's machine can connect to {registry}"


_REMEDIES = (
    (
        "x509",
        'set builder_config=FILE, with the lines [registry."{registry}"] and ca=["/path/of/ca.pem"]',
        "put the registry's CA into /etc/docker/certs.d/{registry}/ca.crt on the engine's machine",
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
"""By what the reason has in it: what to do about a builder in a container, and about the engine's own."""


def _on_the_hosts_network(engine: Engine) -> str:
    if engine.ours:
        return "set builder_options=network=host (the builder is then created again)"
    return (
        f"leave BUILDER out and set builder_options=network=host, or create {engine.builder} again with "
        "--driver-opt network=host"
    )


def _is_apart(found: Inspected) -> bool:
    if found.driver == "kubernetes":
        return True
    networks = [dict(node.options).get("network") for node in found.nodes]
    return found.driver == "docker-container" and any(network != "host" for network in networks)


def _asked(engine: Engine, registry: Registry, environment: Mapping[str, str]) -> str:
    argv = ["docker", "buildx", "build", f"--builder={engine.builder}", "--progress=plain", "--output=type=cacheonly"]
    question = f"FROM {registry}/{_NOBODYS}\n"
    try:
        done = processes.run([*argv, "-"], environment=environment, stdin=question, timeout=SECONDS)
    except CommandError:
        return ""
    last = next((line for line in reversed(done.errors.splitlines()) if line.startswith("ERROR")), "")
    return reason(last) if done.code != 0 else ""
