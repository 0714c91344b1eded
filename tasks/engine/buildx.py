"""The command lines of `docker buildx build`, and what comes of them. Only `build` runs anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine import failure, progress
from tasks.errors import BuildError
from tasks.image.fingerprint import Inputs
from tasks.reference import Digest, Repository
from tasks.system import processes

BUILDING = "building"
"""The tag that the engine's own driver pushes to, as it cannot push by digest. Nothing reads it.

Where it could be pushed to only once, as in an ECR repository with immutable tags, something is added to it that no
other build has."""

COMPRESSION_LEVEL = 1
"""How hard BuildKit tries: jars are deflated already, so the default takes twice as long for a few bytes less
(docs/decisions/0016). An image means the same at every level, so that it is not among the inputs."""

CACHE_KEY = "cache-key-"
"""How the host begins that a RUN is given where a reason to build is not in BuildKit's cache keys (a new `revision`).

BuildKit's key of a RUN has the names of its extra hosts, and the image has nothing of them (docs/decisions/0023)."""

PASSED_ON = (
    # Where things are.
    "HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR", "USER", "LOGNAME", "LANG",
    # Which engine, and how it is reached.
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "SSH_AUTH_SOCK",
    "BUILDX_CONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
    # How the network is reached.
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""What buildx gets of our environment. The rest could change what it builds without changing the fingerprint
(SOURCE_DATE_EPOCH, BUILDX_BUILDER, DOCKER_DEFAULT_PLATFORM, BUILDKIT_*), or hand on what it has no business with."""


@dataclass(frozen=True)
class Engine:
    """A builder that is ready.

    Attributes:
        builder: its name for `--builder`.
        driver: its driver; the engine's own (`docker`) cannot push by digest.
        note: one line for people where it is not the builder that was asked for, else empty.
        ours: whether this project made it, and may make it anew.
    """

    builder: str
    driver: str
    note: str = ""
    ours: bool = False

    @property
    def pushes_by_digest(self) -> bool:
        """Whether the driver has `push-by-digest`; the engine's own answers "not implemented"."""
        return self.driver != "docker"


@dataclass(frozen=True)
class Output:
    """Where a build's result goes.

    Attributes:
        text: as `--output` takes it.
        names: what the result is called, where `text` does not say it.
    """

    text: str
    names: tuple[str, ...] = ()

    @classmethod
    def push(cls, repository: Repository, inputs: Inputs, engine: Engine, building: str = BUILDING) -> Output:
        """Push to the repository under no tag of ours; to the tag `building` where the engine needs one."""
        name = str(repository) if engine.pushes_by_digest else str(repository.tag(building))
        # Without a value BuildKit pushes, and buildx does not have docker push the same once more. That second push
        # puts the manifest of one platform under the tag before the index, and so fails where tags cannot be moved.
        parts = ["type=image", f"name={name}", "push=true" if engine.pushes_by_digest else "push="]
        if engine.pushes_by_digest:
            parts.append("push-by-digest=true")
        # An engine that keeps images would name and unpack one that nobody runs here, for each build.
        parts.append("store=false")
        compression = f"compression={inputs.compression},compression-level={COMPRESSION_LEVEL}"
        return cls(",".join([*parts, f"oci-mediatypes={_oci(inputs)}", compression]))

    @classmethod
    def load(cls, names: tuple[str, ...]) -> Output:
        """Load into the engine's own images under each of `names`."""
        return cls("type=docker", names)


def command(
    engine: Engine,
    context: Path,
    inputs: Inputs,
    output: Output,
    *,
    platforms: Sequence[str],
    metadata: Path,
    force: bool = False,
    pull: bool = False,
) -> list[str]:
    """Return the command that builds `context`.

    Args:
        engine: what builds.
        context: the staged build directory, which holds its Dockerfile.
        inputs: what decides the rest: arguments, bases, attestations.
        output: where the result goes.
        platforms: what to build for; the builder's own platform where empty.
        metadata: the file that buildx writes its result's digest to.
        force: build every step anew.
        pull: look for newer bases, whatever the engine holds under their names.
    """
    attest = "true" if inputs.attestations else "false"
    argv = ["docker", "buildx", "build", f"--builder={engine.builder}"]
    argv += [f"--provenance={attest}", f"--sbom={attest}"]
    if platforms:
        argv.append(f"--platform={','.join(platforms)}")
    argv += [f"--build-arg={name}={value}" for name, value in inputs.build_args]
    argv += [
        f"--build-context={name}=docker-image://{_pinned(name, digest)}" for name, digest in inputs.bases if digest
    ]
    if inputs.unseen:
        argv.append(f"--add-host={CACHE_KEY}{inputs.unseen}.invalid:127.0.0.1")
    if force:
        argv.append("--no-cache")
    if pull:
        argv.append("--pull")
    argv += [f"--tag={name}" for name in output.names]
    return [*argv, f"--output={output.text}", f"--metadata-file={metadata}", str(context)]


def uncached(argv: Sequence[str]) -> list[str]:
    """Return a command as `command` returns it that builds every step anew."""
    return [*argv] if "--no-cache" in argv else [*argv[:-1], "--no-cache", argv[-1]]


def environment(ours: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return buildx's environment: what it may have of ours, and what we add."""
    # Without this buildx runs git in the context, to describe in attestations a commit that decides nothing here.
    return {name: ours[name] for name in PASSED_ON if name in ours} | {"BUILDX_GIT_INFO": "false"} | dict(extra)


def build(
    argv: Sequence[str],
    *,
    image: str,
    environment: Mapping[str, str],
    metadata: Path,
    log: Path,
    listener: progress.Listener = lambda _: None,
    advise: Callable[[str], str] = lambda _: "",
) -> Digest:
    """Run a build and return the digest of its result.

    Args:
        argv: as `command` returns it.
        image: its name, for messages.
        environment: buildx's whole environment.
        metadata: the file that `argv` has buildx name its result in.
        log: what becomes a readable account of the build.
        listener: is told how far the build is.
        advise: returns what to do about the line in which buildx says why it failed, or nothing.

    Raises:
        BuildError: it failed, with the step, its line, the end of its output and the log; or it named no digest.
    """
    metadata.parent.mkdir(parents=True, exist_ok=True)
    metadata.unlink(missing_ok=True)
    done = _run(argv, environment, log, listener)
    if done.code != 0:
        advice = advise(failure.conclusion(done.output))
        raise failure.failed(image, done.code, done.output, str(log), advice)
    try:
        return Digest(json.loads(metadata.read_text())["containerimage.digest"])
    except (OSError, ValueError, KeyError) as fault:
        raise BuildError(
            f"buildx built {image}, but named no digest for it in {metadata} ({fault!r})",
            "see that `docker buildx version` is 0.10 or newer",
        ) from fault


def _run(
    argv: Sequence[str], environment: Mapping[str, str], log: Path, listener: progress.Listener
) -> processes.Completed:
    # By its variable and not by --progress, so that the command that people see is one that they can use.
    for mode in ("rawjson", "plain"):
        reader = progress.Reader(listener)
        done = processes.run(argv, environment={**environment, "BUILDKIT_PROGRESS": mode}, log=log, rewriter=reader)
        reader.finish()
        # Its help does not list the mode where it has it (0.13); one without refuses it before anything else.
        if done.code == 0 or "invalid progress" not in done.output:
            break
    return done


def _oci(inputs: Inputs) -> str:
    return "true" if inputs.media_types == "oci" else "false"


def _pinned(reference: str, digest: str) -> str:
    return f"{reference.partition('@')[0]}@{digest}"


def known_platforms(text: Iterable[str]) -> set[str]:
    """Return the platforms of a builder's list, without the star that buildx puts on those set by hand."""
    return {name.strip().rstrip("*") for line in text for name in line.split(",") if name.strip()}
