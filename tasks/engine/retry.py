"""A build that failed only because the registry did not take its push, told from one that has to be mended.

BuildKit's own patience with a registry: 500 and more, and connections that break, three more times in about 7 seconds
(util/resolver/retryhandler); 429 five more times without a pause (containerd's remotes/docker, `retryRequest`), which
a registry that throttles answers alike. What is left is in the last line that begins with ERROR, and only there: the
output before it is of the Dockerfile's own commands, which may say anything. A build that is run again finds every
step in BuildKit's cache and pushes what is not there yet.
"""

from __future__ import annotations

import enum
import random
import re
import time
from collections.abc import Callable

from tasks.backoff import PUSH, Budget
from tasks.errors import BuildError
from tasks.reference import Digest

# What BuildKit says of a push, and what buildx says when it asks the engine's own driver for the digest after one.
_PUSH = re.compile(r"^ERROR: (?:failed to solve: failed to push |Error response from daemon: )")

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

_LATER = "the registry is busy or out of reach: run again in a while; what was pushed is kept"


class Refusal(enum.Enum):
    """Why a registry did not take a push."""

    BUSY = "busy"
    LOGIN = "the login"


def refusal(said: str) -> Refusal | None:
    """Return why the registry did not take a push, or None where the build has another fault.

    Args:
        said: the command's last line that begins with ERROR.
    """
    if not _PUSH.match(said):
        return None
    if _LOGIN.search(said):
        return Refusal.LOGIN
    return Refusal.BUSY if _BUSY.search(said) else None


def retrying(
    build: Callable[[], Digest],
    renew: Callable[[], None],
    *,
    budget: Budget = PUSH,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> tuple[Digest, str]:
    """Build and push, again while only the registry did not take it.

    Args:
        build: builds and pushes.
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
    started, renewed = clock(), False
    attempt = 1
    while True:
        try:
            digest = build()
        except BuildError as error:
            why = refusal(error.said)
            if why is Refusal.LOGIN and not renewed:
                renewed = True
                renew()
                continue
            if why is not Refusal.BUSY:
                raise
            wait = budget.wait(attempt, jitter())
            if attempt == budget.attempts or clock() - started + wait > budget.seconds:
                raise BuildError(error.message, _LATER, said=error.said) from None
            attempt += 1
            sleep(wait)
        else:
            return digest, f"the registry took it at attempt {attempt}" if attempt > 1 else ""
