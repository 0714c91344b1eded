"""`docker buildx build`: its command line, its environment and its result. Only `build` runs anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.engine import failure, progress
from tasks.errors import BuildError
from tasks.image.fingerprint import Inputs
from tasks.reference import Digest, Repository
from tasks.system import processes

BUILDING = "building"
"""The tag that the engine's own driver pushes to, as it cannot push by digest. Nothing reads it.

Where a tag can be pushed only once, as in an ECR repository with immutable tags, a suffix makes it unique."""

COMPRESSION_LEVEL = 1
"""A low level, as jars are compressed already: the default takes twice as long to save a few bytes
(docs/decisions/0016). The content of an image is the same at every level, therefore it is not one of the inputs."""

CACHE_KEY = "cache-key-"
"""The beginning of an extra host's name, for a reason to build that is not in BuildKit's cache keys (a new `revision`).

BuildKit's cache key of a RUN has the names of its extra hosts, and the image does not (docs/decisions/0023)."""

PASSED_ON = (
    # Directories and the user.
    "HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR", "USER", "LOGNAME", "LANG",
    # The engine.
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG", "SSH_AUTH_SOCK",
    "BUILDX_CONFIG", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
    # The network.
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
"""The variables that buildx gets of our environment. Others could change the image without changing its fingerprint
(SOURCE_DATE_EPOCH, BUILDX_BUILDER, DOCKER_DEFAULT_PLATFORM, BUILDKIT_*), or hold secrets that it does not need."""


@dataclass(frozen=True)
class Engine:
    """A builder that is ready.

    Attributes:
        builder: its name for `--builder`.
        driver: its driver; the engine's own (`docker`) cannot push by digest.
        note: one line for people if it is not the wanted builder, otherwise empty.
        ours: whether this project made it, and may create it again.
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
    """Where the result of a build goes.

    Attributes:
        text: the value of `--output`.
        names: the values of `--tag`.
    """

    text: str
    names: tuple[str, ...] = ()

    @classmethod
    def push(cls, repository: Repository, inputs: Inputs, engine: Engine, building: str = BUILDING) -> Output:
        """Push to the repository by digest, or to the tag `building` if the engine cannot."""
        name = str(repository) if engine.pushes_by_digest else str(repository.tag(building))
        # Without a value BuildKit pushes, and buildx does not make docker push the same again. That second push
        # writes the manifest of one platform to the tag before the index, which fails if tags cannot be moved.
        parts = ["type=image", f"name={name}", "push=true" if engine.pushes_by_digest else "push="]
        if engine.pushes_by_digest:
            parts.append("push-by-digest=true")
        # Otherwise an engine with an image store would name and unpack each image, which nobody runs here.
        parts.append("store=false")
        compression = f"compression={inputs.compression},compression-level={COMPRESSION_LEVEL}"
        return cls(",".join([*parts, f"oci-mediatypes={str(inputs.media_types == 'oci').lower()}", compression]))

    @classmethod
    def load(cls, names: tuple[str, ...]) -> Output:
        """Load into the engine's images under each of `names`."""
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
        context: the staged build context, with the Dockerfile.
        inputs: the build arguments, bases and attestations.
        output: where the result goes.
        platforms: what to build for; empty for the builder's own platform.
        metadata: the file to which buildx writes the digest of the result.
        force: whether to build every step without the cache.
        pull: whether to look for newer base images, whatever the engine has under their names.
    """
    attest = "true" if inputs.attestations else "false"
    argv = ["docker", "buildx", "build", f"--builder={engine.builder}"]
    argv += [f"--provenance={attest}", f"--sbom={attest}"]
    if platforms:
        argv.append(f"--platform={','.join(platforms)}")
    argv += [f"--build-arg={name}={value}" for name, value in inputs.build_args]
    argv += [
        f"--build-context={name}=docker-image://{name.partition('@')[0]}@{digest}"
        for name, digest in inputs.bases
        if digest
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
    """Return a command of `command` that builds every step without the cache."""
    return [*argv] if "--no-cache" in argv else [*argv[:-1], "--no-cache", argv[-1]]


def environment(ours: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return buildx's environment: PASSED_ON of `ours`, and `extra`."""
    # Otherwise buildx runs git in the context, to add a commit to the attestations that is not one of the inputs.
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
        argv: a command of `command`.
        image: the image's name, for messages.
        environment: buildx's whole environment.
        metadata: the file of `--metadata-file`.
        log: the file for a readable log of the build.
        listener: gets the progress.
        advise: returns what to do about the line in which buildx says why it failed; empty if that is unknown.

    Raises:
        BuildError: the build failed, or buildx wrote no digest.
    """
    metadata.parent.mkdir(parents=True, exist_ok=True)
    metadata.unlink(missing_ok=True)
    reader = progress.Reader(listener)
    # By its variable and not by --progress, so that the log begins with a command that people can use.
    with_progress = {**environment, "BUILDKIT_PROGRESS": "rawjson"}
    done = processes.run(argv, environment=with_progress, log=log, rewriter=reader)
    reader.finish()
    if done.code != 0:
        advice = advise(failure.conclusion(done.output))
        raise failure.failed(image, done.code, done.output, str(log), advice)
    try:
        return Digest(json.loads(metadata.read_text())["containerimage.digest"])
    except (OSError, ValueError, KeyError) as fault:
        raise BuildError(
            f"buildx built {image}, but wrote no digest to {metadata} ({fault!r})",
            "check that `docker buildx version` is 0.13 or newer, then run again",
        ) from fault
