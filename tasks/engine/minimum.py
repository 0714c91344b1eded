"""What docker, buildx and a builder must be able to do before anything is built."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tasks.engine import unanswered
from tasks.errors import EngineError
from tasks.system import processes
from tasks.system.parallel import each

BUILDX = (0, 10)
"""The oldest buildx that builds as we ask it to: --provenance and --sbom came with 0.10 (its release notes).

Without them an image of one platform may become an index, which Lambda does not take."""

SECONDS = 60.0
"""How long docker may take to answer."""

_SEEN = "sleeper-images-sees"
"""A context that does not exist; docker repeats its name nevertheless."""

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
        lambda argv: processes.run(argv, environment=environment, timeout=SECONDS), questions, at_once=len(questions)
    )
    if answer and answer[0].code != 0:
        raise unanswered.error(answer[0], environment)
    if done.code != 0:
        raise EngineError(f"docker has no buildx\n{processes.tail(done)}", _GET_BUILDX)
    found = version(done.output)
    if found is not None and found < BUILDX:
        raise EngineError(f"buildx is {_dotted(found)}, and must be {_dotted(BUILDX)} or newer", _GET_BUILDX)


def check_sees(directory: Path, environment: Mapping[str, str], *, setting: str) -> None:
    """See that docker sees the files that we write below a directory, as one from a snap or in a container may not.

    Args:
        directory: an existing one.
        environment: for the docker commands.
        setting: the variable that says another directory.

    Raises:
        EngineError: it does not.
    """
    with tempfile.TemporaryDirectory(prefix="sleeper-images-", dir=directory) as folder:
        # The only file that docker reads and repeats without an engine is its configuration.
        (Path(folder) / "config.json").write_text(f'{{"currentContext": "{_SEEN}"}}')
        chosen = {name: value for name, value in environment.items() if name not in {"DOCKER_HOST", "DOCKER_CONTEXT"}}
        argv = ["docker", "context", "show"]
        done = processes.run(argv, environment={**chosen, "DOCKER_CONFIG": folder}, timeout=SECONDS)
    if done.code == 0 and done.output.strip() != _SEEN:
        raise EngineError(
            f"docker does not see the files below {directory}: one that was installed as a snap has a /tmp of its own, "
            "and reads nothing outside the home directory",
            f"mkdir -p ~/sleeper-images, and set {setting} to that directory (its path must have no part that begins "
            "with a dot), or install docker from Docker's or the distribution's packages",
        )


def version(text: str) -> tuple[int, int] | None:
    """Return the version in what `docker buildx version` prints; None where it is a build without one.

    Docker's packages say `github.com/docker/buildx v0.13.1 788433953`, Debian's `… 0.13.1+ds1 0.13.1+ds1-3`.
    """
    found = re.search(r"\sv?(\d{1,6})\.(\d{1,6})", text)
    return (int(found[1]), int(found[2])) if found else None


def _dotted(found: tuple[int, int]) -> str:
    return f"{found[0]}.{found[1]}"
