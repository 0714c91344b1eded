"""That there is a target to ask: the sandbox runs, or something says where images go."""

from __future__ import annotations

from doit.exceptions import InvalidCommand

from tasks.errors import SleeperImagesError
from tasks.run_context import RunContext


def check_destination(session: RunContext) -> None:
    """Refuse to begin where every image would be blocked by the same want.

    Raises:
        InvalidCommand: nothing says where images go, or what they are made of.
    """
    try:
        session.settings.require_destination()
    except SleeperImagesError as error:
        raise InvalidCommand(str(error)) from None


def check_sandbox(session: RunContext) -> None:
    """Refuse to ask a sandbox that does not run: a run would start it, and what only reads does not.

    Raises:
        InvalidCommand: it is the target and does not run.
    """
    if not session.settings.sandbox:
        return
    from sandbox import aws, registry  # noqa: PLC0415  # Only what asks the sandbox pays for it.

    if not (registry.running(session.sandbox) and aws.running(session.sandbox)):
        raise InvalidCommand("the sandbox is not started\n  next: run `doit sandbox`")
