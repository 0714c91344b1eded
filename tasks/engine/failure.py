"""What the output of a failed build means: its error, short enough for a screen, and whether another attempt may help.

Pure. The whole output is in the build's log, which begins with the command.

A build is tried again if the registry refused its push, or if BuildKit has lost a part of its cache.

BuildKit itself retries a push: three times within about 7 seconds after 500 and more and after broken connections
(util/resolver/retryhandler), and five times without a pause after 429 (containerd's remotes/docker, `retryRequest`),
which a registry that limits the rate refuses alike. What is left is in the last line that begins with ERROR, and only
there: the output before it is that of the Dockerfile's commands, which may print anything. A build that is run again
finds every step in BuildKit's cache, and pushes what the registry does not have yet.

BuildKit may delete a snapshot that a record of its cache still names, where builds that share a step overlap or one of
them is killed (moby/buildkit pull requests 6808 and 6821). Each build that finds the record then fails, until one
builds the step without the cache.
"""

from __future__ import annotations

import enum
import re

from tasks.errors import BuildError

OUTPUT_LINES = 5
"""How many lines of the failed step's output an error shows."""

_LONGEST = 240
_ANSWER = 80
"""How much of the end of a long error is kept: a registry's answer is behind its URLs."""
_LINE = 72

_STEP_ERROR = re.compile(r"#(\d+) ERROR: ")
_PLACE = re.compile(r"\S+:\d+")
_MARKED = re.compile(r"\s*\d+ \| >>> (.*)")
_PRINTED = re.compile(r"#(\d+) \d+\.\d+ (.*)")
_ENDED = re.compile(r"(?:ERROR|DONE|CACHED|CANCELED)\b")
_LOST_ENGINE = re.compile(
    r"Cannot connect to the Docker daemon|Is the docker daemon running|error reading from server"
    r"|code = Unavailable|transport is closing|connection error: desc|failed to receive status"
    r"|error during connect|listing workers for Build|closing transport"
)

_SOLVE = r"(?:failed to build: )?failed to solve: "
"""What comes before BuildKit's words; `failed to build` is newer buildx's (seen with 0.29, not with 0.13)."""

# What BuildKit says about a push, and what buildx says when it asks the engine's own driver for the digest after one.
_PUSH = re.compile(rf"^ERROR: (?:{_SOLVE}failed to push |(?:failed to build: )?Error response from daemon: )")

_BUSY = re.compile(
    r": (?:429|500|502|503|504) [A-Z]|unexpected HTTP status: (?:429|5\d\d)|toomanyrequests"
    r"|connection reset by peer|broken pipe|connection refused|transport connection broken|\bEOF$"
    r"|i/o timeout|TLS handshake timeout|Client\.Timeout",
    re.IGNORECASE,
)
# 403 as well: ECR's answer to an expired token; and an answer to HEAD has no text.
_LOGIN = re.compile(
    r": 40[13] [A-Z]|\b(?:unauthorized|denied):|token has expired|no basic auth credentials|authorization failed",
    re.IGNORECASE,
)

# BuildKit mounts a layer from a repository to which another build has just pushed it. A token server that grants pull
# only for existing repositories refuses that until the other build's manifest is there.
_HIDDEN = "insufficient_scope"

# The answers to a tag that cannot be moved: Nexus 400, Artifactory and GitLab 403, ACR 405, Harbor 412.
_KEPT_TAG = re.compile(r"[:/]building[^\s:]*: .*(?:: |\bstatus:? )(?:400|403|405|409|412)\b")

_LOST_SNAPSHOT = re.compile(rf"^ERROR: {_SOLVE}.*\bsnapshot [0-9a-z]+ does not exist: not found$")


# The error


def conclusion(output: str) -> str:
    """Return the line in which buildx says why a build failed; empty if it does not."""
    return next((line for line in reversed(output.splitlines()) if line.startswith("ERROR")), "")


def failed(image: str, code: int, output: str, log: str, next_step: str = "") -> BuildError:
    """Return the error of a failed build: the step, its line, the reason and the end of the step's output.

    `log` is the file with the whole log, and `output` its end. `next_step` is given if more is known than the
    output says.
    """
    lines = output.splitlines()
    said = conclusion(output)
    if _LOST_ENGINE.search(said):
        return BuildError(
            f"the build of {image} was interrupted: the Docker engine or its builder stopped answering",
            "check that `docker version` answers, then run again; images already pushed are kept",
            said=said,
            log=log,
        )
    step = next_step or f"{_remedy(said)}, then run again; images already pushed are kept"
    shown = _shown(lines, said) or [f"  {_short(line.strip(), _LONGEST)}" for line in lines[-OUTPUT_LINES:]]
    return BuildError(
        "\n".join([f"the build of {image} failed with exit code {code}", *shown]),
        step,
        said=said,
        log=log,
    )


def _remedy(said: str) -> str:
    if not _PUSH.match(said):
        return "fix the Dockerfile or what it reads"
    if _LOGIN.search(said):
        return "let this login push to the repository, or use another login"
    return "see the registry's whole answer at the end of the log, and correct its cause"


def _shown(lines: list[str], said: str) -> list[str]:
    number = next((match[1] for line in reversed(lines) if (match := _STEP_ERROR.match(line))), None)
    own = [line.removeprefix(f"#{number} ") for line in lines if number and line.startswith(f"#{number} ")]
    steps = [line for line in own if line.startswith("[")]
    printed = [match[2] for line in lines if (match := _PRINTED.match(line)) and match[1] == number]
    printed = [line for line in printed if line.strip() and not _ENDED.match(line)]
    found = [f"  step: {_short(steps[-1], _LONGEST)}"] if steps else []
    marked = [index for index, line in enumerate(lines) if _MARKED.match(line)]
    if marked:
        place = next((line for line in reversed(lines[: marked[0]]) if _PLACE.fullmatch(line)), "Dockerfile")
        code = _MARKED.match(lines[marked[-1]])
        found.append(f"  line: {place}  {_short(code[1].strip() if code else '', _LINE)}".rstrip())
    found += [f"  {_short(said, _LONGEST, kept_end=_ANSWER)}"] if said else []
    found += [f"    | {_short(line, _LINE)}" for line in printed[-OUTPUT_LINES:]]
    return found


def _short(text: str, most: int, *, kept_end: int = 0) -> str:
    """Return the text in at most `most` characters: its beginning, and its last `kept_end` characters."""
    return text if len(text) <= most else text[: most - 1 - kept_end] + "…" + text[len(text) - kept_end :]


# Another attempt


class Cause(enum.Enum):
    """Why another attempt may succeed."""

    BUSY = "the registry is busy or unreachable"
    LOGIN = "the registry refused the login"
    HIDDEN = "the registry refused the login for a repository that may only be hidden for now"
    CACHE = "a part of BuildKit's cache is lost"


def cause(said: str) -> Cause | None:
    """Return why another attempt may succeed; None if it would fail in the same way.

    `said` is the line of `conclusion`.
    """
    if _LOST_SNAPSHOT.match(said):
        return Cause.CACHE
    if not _PUSH.match(said):
        return None
    if _LOGIN.search(said):
        return Cause.HIDDEN if _HIDDEN in said else Cause.LOGIN
    return Cause.BUSY if _BUSY.search(said) else None


def refuses_tag(said: str) -> bool:
    """Return whether a push may have been refused only because the tag `building` exists and cannot be moved.

    `said` is the line of `conclusion`.
    """
    return _PUSH.match(said) is not None and _KEPT_TAG.search(said) is not None
