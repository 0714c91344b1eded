"""A build that is worth another attempt, told from one that somebody has to fix.

Either the registry did not take its push, or BuildKit has lost a part of its cache.

BuildKit's own patience with a registry: 500 and more, and connections that break, three more times in about 7 seconds
(util/resolver/retryhandler); 429 five more times without a pause (containerd's remotes/docker, `retryRequest`), which
a registry that throttles answers alike. What is left is in the last line that begins with ERROR, and only there: the
output before it is of the Dockerfile's own commands, which may say anything. A build that is run again finds every
step in BuildKit's cache and pushes what is not there yet.

BuildKit may forget a snapshot that a record of its cache still names, where builds that share a step overlap or one of
them is killed (moby/buildkit pull requests 6808 and 6821). Each build that finds the record fails from then on, until
one builds the step anew.
"""

from __future__ import annotations

import enum
import random
import re
import time
from collections.abc import Callable, Sequence

from tasks.engine import buildx
from tasks.errors import BuildError
from tasks.reference import Digest
from tasks.system.backoff import PUSH, Budget

_SOLVE = r"(?:failed to build: )?failed to solve: "
"""What comes before BuildKit's words; `failed to build` is newer buildx's (seen with 0.29, not with 0.13)."""

# What BuildKit says of a push, and what buildx says when it asks the engine's own driver for the digest after one.
_PUSH = re.compile(rf"^ERROR: (?:{_SOLVE}failed to push |(?:failed to build: )?Error response from daemon: )")

_BUSY = re.compile(
    r": (?:429|500|502|503|504) [A-Z]|unexpected HTTP status: (?:429|5\d\d)|toomanyrequests"
    r"|connection reset by peer|broken pipe|connection refused|transport connection broken|\bEOF$"
    r"|i/o timeout|TLS handshake timeout|Client\.Timeout",
    re.IGNORECASE,
)
# 403, too: it is ECR's answer to a token that has expired, and an answer to HEAD does not say why.
_LOGIN = re.compile(
    r": 40[13] [A-Z]|\b(?:unauthorized|denied):|token has expired|no basic auth credentials|authorization failed",
    re.IGNORECASE,
)

# BuildKit mounts a layer from a repository to which another build has just sent it. A token server that grants pull
# only for what exists refuses that until the other build's manifest is there.
_HIDDEN = "insufficient_scope"

# What registries answer to a tag that cannot be moved: Nexus 400, Artifactory and GitLab 403, ACR 405, Harbor 412.
_KEPT_TAG = re.compile(r"[:/]building[^\s:]*: .*(?:: |\bstatus:? )(?:400|403|405|409|412)\b")

_LATER = "the registry is busy or out of reach: run again in a while; what was pushed is kept"


_LOST = re.compile(rf"^ERROR: {_SOLVE}.*\bsnapshot [0-9a-z]+ does not exist: not found$")
_UNCACHED = "built without BuildKit's cache, a part of which was lost"


class Cause(enum.Enum):
    """Why a build is worth another attempt."""

    BUSY = "the registry"
    LOGIN = "the login"
    CACHE = "the cache"


def cause(said: str) -> Cause | None:
    """Return why a build is worth another attempt, or None where it is not.

    Args:
        said: the command's last line that begins with ERROR.
    """
    if _LOST.match(said):
        return Cause.CACHE
    if not _PUSH.match(said):
        return None
    if _LOGIN.search(said):
        return Cause.LOGIN
    return Cause.BUSY if _BUSY.search(said) else None


def refuses_tag(said: str) -> bool:
    """Whether a push may have been refused only because the tag `building` is there and cannot be moved.

    Args:
        said: the command's last line that begins with ERROR.
    """
    return _PUSH.match(said) is not None and _KEPT_TAG.search(said) is not None


def build(
    argv: Sequence[str], run: Callable[[Sequence[str]], Digest], *, renew: Callable[[], None] = lambda: None
) -> tuple[Digest, str]:
    """Run a build, again while that is worth it; `retrying` says when, what comes of it, and what is raised.

    Args:
        argv: as `buildx.command` returns it.
        run: runs such a command, as `buildx.build` does.
        renew: fetches another login.
    """
    return retrying(lambda cached: run(argv if cached else buildx.uncached(argv)), renew)


def retrying(
    build: Callable[[bool], Digest],
    renew: Callable[[], None],
    *,
    budget: Budget = PUSH,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> tuple[Digest, str]:
    """Build and push, again while only the registry did not take it, and once where a part of the cache was lost.

    Args:
        build: builds and pushes; told whether BuildKit's cache is of use.
        renew: fetches another login; called once at most.
        budget: the patience.
        sleep: waits.
        clock: tells the time that the budget is counted in.
        jitter: gives numbers from 0 to 1.

    Returns:
        The digest, and what people should know of the attempts, or nothing.

    Raises:
        BuildError: the build has a fault, or the registry still does not take its push.
    """
    started, renewed, cached = clock(), False, True
    attempt = 1
    while True:
        try:
            digest = build(cached)
        except BuildError as error:
            why = cause(error.said)
            if why is Cause.LOGIN and not renewed:
                renewed = True
                renew()
                continue
            if why is Cause.CACHE and cached:
                cached = False
                continue
            if why is not Cause.BUSY and not (why is Cause.LOGIN and _HIDDEN in error.said):
                raise
            wait = budget.wait(attempt, jitter())
            if attempt == budget.attempts or clock() - started + wait > budget.seconds:
                if why is Cause.LOGIN:
                    raise
                raise BuildError(error.message, _LATER, said=error.said) from None
            attempt += 1
            sleep(wait)
        else:
            taken = f"the registry took it at attempt {attempt}" if attempt > 1 else ""
            return digest, "; ".join(filter(None, ("" if cached else _UNCACHED, taken)))
