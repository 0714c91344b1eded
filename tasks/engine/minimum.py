"""What docker, buildx and a builder must be able to do before anything is built."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tasks import run
from tasks.engine import builders
from tasks.engine.buildx import Engine
from tasks.errors import EngineError
from tasks.parallel import each

BUILDX = (0, 10)
"""The oldest buildx that builds as we ask it to: --provenance and --sbom came with 0.10 (its release notes).

Without them an image of one platform may become an index, which Lambda does not take."""

SECONDS = 60.0
"""How long docker may take to answer."""

_GET_BUILDX = "install docker-buildx-plugin (Debian: docker-buildx), or see https://docs.docker.com/go/buildx/"


def check_engine(environment: Mapping[str, str], *, engine: bool = True) -> None:
    """See that docker has a buildx that is new enough, and that an engine answers.

    Args:
        environment: for the docker commands.
        engine: whether one is needed; neither a builder elsewhere nor a push needs one here.

    Raises:
        EngineError: it does not, or has not.
        CommandError: there is no docker, or it hangs.
    """
    questions = [["docker", "buildx", "version"]]
    if engine:
        questions.append(["docker", "version", "--format", "{{.Server.Version}}"])
    done, *answer = each(
        lambda argv: run.run(argv, environment=environment, timeout=SECONDS), questions, at_once=len(questions)
    )
    if answer and answer[0].code != 0:
        raise EngineError(f"no Docker engine answers\n{run.tail(answer[0])}", builders.NO_ENGINE)
    if done.code != 0:
        raise EngineError(f"docker has no buildx\n{run.tail(done)}", _GET_BUILDX)
    found = version(done.output)
    if found is not None and found < BUILDX:
        raise EngineError(f"buildx is {_dotted(found)}, and must be {_dotted(BUILDX)} or newer", _GET_BUILDX)


def version(text: str) -> tuple[int, int] | None:
    """Return the version in what `docker buildx version` prints; None where it is a build without one.

    Docker's packages say `github.com/docker/buildx v0.13.1 788433953`, Debian's `… 0.13.1+ds1 0.13.1+ds1-3`.
    """
    found = re.search(r"\sv?(\d{1,6})\.(\d{1,6})", text)
    return (int(found[1]), int(found[2])) if found else None


def lacking(engine: Engine, wanted: Collection[str], environment: Mapping[str, str]) -> set[str]:
    """Return those of the wanted platforms whose programs the builder cannot run; none where it does not say.

    Raises:
        EngineError: the builder cannot be inspected.
    """
    found = builders.inspect(engine.builder, environment) if wanted else None
    if found is None or not found.platforms:
        return set()
    runs = {_plain(name) for name in found.platforms}
    return {name for name in wanted if _plain(name) not in runs}


def _plain(platform: str) -> str:
    # arm64 has one variant, which BuildKit leaves out.
    return platform.removesuffix("/v8") if platform.endswith("/arm64/v8") else platform


def _dotted(found: tuple[int, int]) -> str:
    return f"{found[0]}.{found[1]}"
