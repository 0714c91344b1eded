"""`doit status`: what is deployed, and whether it is what is here."""

from __future__ import annotations

from datetime import UTC, datetime

from doit.exceptions import InvalidCommand

from tasks.errors import SleeperImagesError
from tasks.graph.composition import current
from tasks.graph.options import JSON, Reading, encoded, no_arguments
from tasks.graph.target import check_sandbox
from tasks.status import look
from tasks.system.terminal import colours
from tasks.views.status import as_object, as_text

UNANSWERED = 1
"""The exit code where the registry did not answer about every image, or has lost a part of one."""

DEEP = {
    "name": "deep",
    "long": "deep",
    "type": bool,
    "default": False,
    "help": "ask for every manifest, config and layer as well",
}


class StatusCommand(Reading):
    """Prints what the registry holds of the selected images."""

    name = "status"
    doc_purpose = "show what is deployed, and whether it is what is here"
    doc_usage = "[--deep] [VARIABLE=VALUE ...]"
    doc_description = (
        "Asks the registry about every selected image at once and remembers nothing. Exit code 0; 1 where the registry "
        "did not answer about every image or has lost a part of one; 3 where nothing says which registry. "
        "docs/status-and-digests.md describes the JSON."
    )

    cmd_options = (JSON, DEEP)

    def _execute(self, json: bool, deep: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit's options by name.
        no_arguments(pos_args, self.name)
        session = current()
        check_sandbox(session)
        now = datetime.now(UTC)
        try:
            found = look(session, now, deep=deep)
        except SleeperImagesError as error:
            raise InvalidCommand(str(error)) from None
        colour = colours(self.outstream)
        self.say(encoded(as_object(found)) if json else as_text(found, now=now, colour=colour))
        return 0 if all(row.answered for row in found.images) else UNANSWERED
