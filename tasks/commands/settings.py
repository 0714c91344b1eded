"""`doit settings`: every setting's value and where it comes from."""

from __future__ import annotations

from tasks.commands.command import JSON, Reading, encoded, no_arguments
from tasks.graph.composition import current
from tasks.views.settings import as_object, as_text


class Settings(Reading):
    """Prints the settings of a run that is given the same variables."""

    name = "settings"
    doc_purpose = "show every setting and where it comes from"
    doc_usage = "[VARIABLE=VALUE ...]"
    doc_description = "docs/settings.md describes the variables. What says (-) is asked of AWS or the catalogue later."

    cmd_options = ({**JSON, "help": "print one JSON object: {NAME: {value, origin}}"},)

    def _execute(self, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        no_arguments(pos_args, self.name)
        found = current().settings
        self.say(encoded(as_object(found)) if json else as_text(found))
        return 0
