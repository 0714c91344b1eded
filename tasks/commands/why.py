"""`doit why IMAGE`: the whole story of one image."""

from __future__ import annotations

from doit.exceptions import InvalidCommand

from tasks.configuration.faults import did_you_mean
from tasks.explanation import explain
from tasks.graph.composition import current
from tasks.graph.options import EXIT_CODE, JSON, Reading, arguments, encoded, state_code
from tasks.graph.target import check_sandbox
from tasks.model import Image
from tasks.session import Session
from tasks.system.terminal import columns
from tasks.system.text import quoted
from tasks.views.why import as_object, as_text


class Why(Reading):
    """Prints one image's decision, what it is made of, and what differs from what the version tag is on."""

    name = "why"
    doc_purpose = "say why an image would be built, entry by entry inside its jars"
    doc_usage = "IMAGE [VARIABLE=VALUE ...]"
    doc_description = "It works on a fresh clone, too: what an image was made of is recorded in the registry."

    cmd_options = (JSON, EXIT_CODE)

    def _execute(self, json: bool, exit_code: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        session = current()
        image = _image(session, arguments(pos_args))
        check_sandbox(session)
        session.ask(pushes=[image], loads=())
        found = explain(session, image)
        self.say(encoded(as_object(found)) if json else as_text(found, columns(self.outstream)))
        return state_code({found.planned.state}) if exit_code else 0


def _image(session: Session, names: list[str]) -> Image:
    images = {image.name: image for image in session.catalogue.images}
    if len(names) != 1:
        raise InvalidCommand("why takes the name of one image\n  next: `doit list --all push` lists them")
    name = names[0].removeprefix("push:")
    if name not in images:
        raise InvalidCommand(
            f"there is no image {quoted(name)}{did_you_mean(name, images)}\n  next: `doit list --all push` lists them"
        )
    return images[name]
