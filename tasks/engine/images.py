"""The images in a Docker engine, through the Docker SDK.

The engine is that of docker's commands: DOCKER_HOST, or the current context. The SDK supports contexts only in part
(docker 7.1 ignores DOCKER_CONTEXT and a context's certificates), therefore docker itself is asked for the context.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.errors import CommandError, EngineError
from tasks.system import processes

SECONDS = 60.0
"""How long the engine may take to answer a request."""

_NEXT = "check `docker info`, then run again"


def named(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the IDs of the images that have a name, by `<repository>:<tag>`.

    Raises:
        EngineError: no engine answers.
    """
    with _engine(environment) as engine:
        return {name: image["Id"] for image in engine.images() for name in image.get("RepoTags") or ()}


def held(reference: str, environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return an image's names by digest (`<repository>@<digest>`) in the engine; one that was built there has none.

    `reference` is written as in a FROM line.

    Returns:
        The names; None if the engine does not have the image, or does not answer.
    """
    try:
        with _engine(environment) as engine:
            found = [image for image in engine.images(name=reference) if image.get("RepoTags")]
    except EngineError:
        return None
    return tuple(found[0].get("RepoDigests") or ()) if found else None


def remove_names(names: list[str], environment: Mapping[str, str]) -> None:
    """Remove names of images, and images without any name left, unless a container uses them.

    Raises:
        EngineError: no engine answers.
    """
    from docker.errors import APIError  # noqa: PLC0415  # Slow to import.

    with _engine(environment) as engine:
        for name in names:
            # Another run may have removed it, or a container may use it.
            with contextlib.suppress(APIError):
                engine.remove_image(name)


@contextlib.contextmanager
def _engine(environment: Mapping[str, str]) -> Iterator[Any]:
    """Yield the SDK's client. Its exceptions become an EngineError without their text, which may quote an address."""
    import docker.errors  # noqa: PLC0415  # Slow to import.
    import requests.exceptions  # noqa: PLC0415  # As above.

    try:
        client = _connect(environment)
        with contextlib.closing(client):
            yield client
    except CommandError as error:
        raise EngineError(error.message, error.next_step) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as fault:
        raise EngineError(
            f"the Docker engine did not answer a request about its images ({type(fault).__name__})", _NEXT
        ) from None


def _connect(environment: Mapping[str, str]) -> Any:
    from docker.api.client import APIClient  # noqa: PLC0415  # As above.
    from docker.tls import TLSConfig  # noqa: PLC0415  # As above.
    from docker.utils import kwargs_from_env  # noqa: PLC0415  # As above.

    options: dict[str, Any] = {"timeout": SECONDS, "version": "auto", "use_ssh_client": True}
    if environment.get("DOCKER_HOST"):
        return APIClient(**options, **kwargs_from_env(environment=dict(environment)))
    argv = ["docker", "context", "inspect"]
    done = processes.check(argv, environment=environment, next_step="see `docker context ls`", timeout=SECONDS)
    (context,) = json.loads(done.output)
    endpoint, folder = context["Endpoints"]["docker"], Path(context["Storage"]["TLSPath"]) / "docker"
    if folder.is_dir():
        options["tls"] = TLSConfig(
            client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
            ca_cert=str(folder / "ca.pem"),
            verify=not endpoint.get("SkipTLSVerify"),
        )
    return APIClient(base_url=endpoint["Host"], **options)
