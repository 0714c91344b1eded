"""`doit plan`: what a run would do and why, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from doit.exceptions import InvalidCommand

from tasks import build
from tasks.commands import chosen
from tasks.commands.names import matching
from tasks.commands.options import JSON, Reading, arguments, encoded
from tasks.composition import current
from tasks.decision import STATES
from tasks.engine.progress import human
from tasks.errors import SleeperImagesError
from tasks.inputs.told import printable
from tasks.session import Session
from tasks.views.plan import FAULTS, TO_DO, Plan, Planned, plan
from tasks.views.words import TOGETHER, WIDTH, coloured, colours, columns, folded

SOMETHING_TO_DO, SOMETHING_WRONG = 4, 5
"""Exit codes with --exit-code; doit itself has 1, 2 and 3."""

_PUSH_ALL = "push_all"
_WIDEST = len("unpinned")
_WORDS = {"build": "to build", "retag": "to retag"}


class PlanCommand(Reading):
    """Prints the plan of a run of the same tasks with the same variables."""

    name = "plan"
    doc_purpose = "say what a run would do and why, changing nothing"
    doc_usage = "[TASK ...] [VARIABLE=VALUE ...]"
    doc_description = "Without tasks, of push_all. docs/plan-and-why.md describes what it prints."

    cmd_options = (
        JSON,
        {
            "name": "exit_code",
            "short": "",
            "long": "exit-code",
            "type": bool,
            "default": False,
            "help": f"end with {SOMETHING_TO_DO} if there is something to do, and with {SOMETHING_WRONG} if an image"
            " is blocked or unknown",
        },
    )

    def _execute(self, json: bool, exit_code: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        session = current()
        tasks = {task.name: task for task in self.task_list}
        found = self._plan(session, tasks, matching(tasks, arguments(pos_args) or [_PUSH_ALL]))
        where, version = target(session), session.settings.version
        if json:
            self.say(encoded(as_json(found, where, version)))
        else:
            lines = as_lines(found, where, version, colour=colours(self.outstream), width=columns(self.outstream))
            self.say("".join(f"{line}\n" for line in lines))
        return code(found) if exit_code else 0

    def _plan(self, session: Session, tasks: Mapping[str, Any], names: Iterable[str]) -> Plan:
        closure = chosen.closure(tasks, names)
        pushes = chosen.images_of(session, tasks, closure, "push")
        loads = chosen.images_of(session, tasks, closure, "build")
        if not pushes and not loads and not ({_PUSH_ALL, "build_all"} & closure):
            raise InvalidCommand(
                f"{', '.join(names)}: no image is pushed or built by that, so there is nothing to plan"
            )
        chosen.check_sandbox(session)
        session.ask(pushes=pushes, loads=())  # Nothing is loaded, so that no builder has to be asked for.
        if pushes and not session.settings.sandbox:
            try:
                session.settings.require_destination()
            except SleeperImagesError as error:
                raise InvalidCommand(str(error)) from None
        saved = {image.name: self.dep_manager.get_values(f"build:{image.name}") for image in loads}
        return plan(
            session, pushes, {image.name: build.is_loaded(session, image, saved[image.name]) for image in loads}
        )


def code(found: Plan) -> int:
    """Return the exit code that tells what there is to do."""
    states = found.counts.keys()
    if states & FAULTS:
        return SOMETHING_WRONG
    return SOMETHING_TO_DO if states & TO_DO else 0


def as_json(found: Plan, where: str | None, version: str | None) -> dict[str, Any]:
    """Return the object that docs/plan-and-why.md describes."""
    return {
        "target": where,
        "version": version,
        "images": [one.data() for one in found.images],
        "totals": {**{word: found.counts.get(word, 0) for word in STATES}, "bytes": found.size},
    }


def as_lines(
    found: Plan, where: str | None, version: str | None, *, colour: bool = False, width: int = WIDTH
) -> Iterator[str]:
    """Yield a line for each image, the notes and the total.

    Args:
        found: the plan.
        where: where images go, if that is known.
        version: the version tag, if that is known.
        colour: whether to write in colour.
        width: how wide lines are to be.
    """
    indent = " " * (_WIDEST + 5)
    if where is not None:
        yield f"sleeper-images → {where}  version {version or '-'}"
    told: set[str] = set()
    for one in found.images:
        first, *rest = folded(f"  {one.state:<{_WIDEST}} {_line(one, told)}", indent, width)
        yield first.replace(one.state, coloured(one.state, one.state, colour=colour), 1)
        yield from rest
    for step in dict.fromkeys(one.next_step for one in found.images):
        yield from folded(f"  next: {step}", " " * 8, width) if step else ()
    for base, images in found.unpinned.items():
        note = f"{printable(base)} ({_few(images)}): only its name counts; base=refresh locks it"
        yield from folded(f"  {'unpinned':<{_WIDEST}} {note}", indent, width)
    yield from folded(total(found), "  ", width)


def total(found: Plan) -> str:
    """Return the last line: how many images, what of each, and how much is to be sent."""
    counts = found.counts
    parts = ", ".join(f"{counts[word]} {_WORDS.get(word, word)}" for word in STATES if word in counts)
    noun = "image" if len(found.images) == 1 else "images"
    sent = f"; about {human(found.size)} to send" if found.size else ""
    return f"{len(found.images)} {noun}: {parts}{sent}" if found.images else "no images are selected"


def target(session: Session) -> str | None:
    """Return where images go, or None where that is not known; the reason is then told of each image."""
    try:
        return session.target.prefix if session.pushes else None
    except SleeperImagesError:
        return None


def _line(one: Planned, told: set[str]) -> str:
    name = one.image.name if one.task.startswith("push:") else one.task
    if not one.reason:
        return f"{name}  {one.digest.short}" if one.digest else name
    if one.state in FAULTS:
        # One fault often is every image's.
        reason = "as above" if one.reason in told else printable(one.reason)
        told.add(one.reason)
        return f"{name}: {reason}"
    sent = f"  ({human(one.size).replace(' ', TOGETHER)})" if one.size else ""
    return f"{name}: {one.reason}{sent}"


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} images"  # noqa: PLR2004  # As many as a line takes.
