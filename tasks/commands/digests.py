"""`doit digests`: the digests to deploy, for the CDK and for review; and whether the registry still agrees."""

from __future__ import annotations

from doit.exceptions import InvalidCommand

from tasks import digests_file
from tasks.decision import Current, reason, state
from tasks.errors import SettingsError, SleeperImagesError
from tasks.graph.composition import current
from tasks.graph.options import JSON, Reading, complain, encoded, no_arguments, read, text_option, write
from tasks.graph.target import check_sandbox
from tasks.run_context import RunContext
from tasks.views.digests import as_text, faults_as_text

DIFFERS = 1
"""The exit code where an image is not current, or the registry does not agree with the file."""

UNANSWERED = 2
"""The exit code where the registry could not be asked about every image."""


class Digests(Reading):
    """Prints or writes digests.json, or compares one with the registry."""

    name = "digests"
    doc_purpose = "print the digests to deploy, or check a file of them against the registry"
    doc_usage = "[--output FILE | --check FILE | --properties] [VARIABLE=VALUE ...]"
    doc_description = (
        "Every selected image has to be current: run push_all before. --check needs no SCRIPTS_DIR. Exit code 0; 1 "
        "where an image is not current or the registry does not agree; 2 where the registry did not answer; 3 where "
        "nothing says which registry. docs/status-and-digests.md describes the file."
    )

    cmd_options = (
        text_option("output", "write digests.json to this file", short="o"),
        text_option("check", "compare this file with the registry"),
        {
            "name": "properties",
            "short": "",
            "long": "properties",
            "type": bool,
            "default": False,
            "help": "print only what belongs into instance.properties",
        },
        JSON,
    )

    def _execute(self, output: str, check: str, properties: bool, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        no_arguments(pos_args, self.name)
        if sum(map(bool, (output, check, properties))) > 1:
            raise InvalidCommand("--output, --check and --properties are three things to do\n  next: name one of them")
        session = current()
        try:
            if properties:
                path = session.settings.require_repository_prefix()
                self.say(encoded({digests_file.PROPERTY: path}) if json else digests_file.property_line(path))
                return 0
            check_sandbox(session)
            return self._check(session, check, json=json) if check else self._write(session, output, json=json)
        except SleeperImagesError as error:
            raise InvalidCommand(str(error)) from None

    def _write(self, session: RunContext, output: str, *, json: bool) -> int:
        session.settings.require_destination()  # Without it every image would be blocked by the same want.
        session.ask(pushes=session.selected, loads=())
        decided = {image.name: session.decisions.of(image) for image in session.selected}
        behind = {name: one for name, one in decided.items() if not isinstance(one, Current)}
        if behind:
            faults = faults_as_text({name: f"{state(one)}: {reason(one)}" for name, one in behind.items()})
            unanswered = all(state(one) == "unknown" for one in behind.values())
            next_step = "" if unanswered else "  next: `doit plan` says what is to be pushed, `doit push_all` does it\n"
            complain(f"{faults}{len(behind)} of {len(decided)} not current, so no digests\n{next_step}")
            return UNANSWERED if unanswered else DIFFERS
        found = digests_file.of(session, session.selected)
        if output:
            write(output, found.text())
        self.say(found.text() if json else as_text(found))
        return 0

    def _check(self, session: RunContext, check: str, *, json: bool) -> int:
        try:
            written = digests_file.parse(read(check))
        except SettingsError as error:
            raise InvalidCommand(f"{check}: {error}") from None
        differing, unanswered = digests_file.differences(session, written)
        if json:
            self.say(encoded({"differences": differing, "unanswered": unanswered}))
        else:
            complain(faults_as_text({**differing, **unanswered}))
            if not differing and not unanswered:
                self.say(f"{check}: the registry agrees on all {len(written.images)} images\n")
            elif differing:
                noun = "image differs" if len(differing) == 1 else "images differ"
                complain(f"{check}: {len(differing)} {noun}\n  next: push again, or write the file again\n")
        if differing:
            return DIFFERS
        return UNANSWERED if unanswered else 0
