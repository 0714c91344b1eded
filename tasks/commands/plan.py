"""`doit plan`: what a run would do and why, without doing it. It uses the decisions of the run itself.

    decisions ─▶ state and reason of each image ──┐
    what the version tag is on ─▶ records.compare ┴▶ Plan ─▶ text or JSON, as docs/plan-and-why.md describes them

It asks only what a run asks, and reads the record of an image only if the image would be built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from doit.exceptions import InvalidCommand

from tasks import build
from tasks.commands.command import (
    EXIT_CODE,
    JSON,
    Reading,
    arguments,
    check_sandbox,
    encoded,
    faults_code,
    state_code,
)
from tasks.commands.table import coloured
from tasks.decision import FAULTS, STATES, Blocked, Build, Current, Decision, Retag, Unknown, state
from tasks.errors import SleeperImagesError
from tasks.graph.load import current
from tasks.graph.selected_tasks import images_of, matching, with_prerequisites
from tasks.image.collect import LAMBDA_JAR, Collected
from tasks.image.difference import Change, summary
from tasks.image.fingerprint import inputs_tag
from tasks.model import Image
from tasks.reference import Digest
from tasks.run_context import RunContext
from tasks.system.parallel import Pool
from tasks.system.terminal import colours, columns
from tasks.system.text import TOGETHER, WIDTH, folded, human, printable

if TYPE_CHECKING:  # context.records imports it, if an image has to be built.
    from tasks.records import Comparison

FORCED = "forced"
PUSH_ALL = "push_all"
"""The task that is planned if the command line does not name one."""

_EXPLAINED_AT_ONCE = 2
"""How many images a run explains at once: listing their jars takes processors from the builds."""

_WIDEST = len("unpinned")
_WORDS = {"build": "to build", "retag": "to retag"}


class PlanCommand(Reading):
    """Prints the plan of a run of the same tasks with the same settings."""

    name = "plan"
    doc_purpose = "show what a run would do and why, changing nothing"
    doc_usage = "[TASK ...] [VARIABLE=VALUE ...]"
    doc_description = (
        "Without tasks, of push_all. Exit code 0; 1 if an image is blocked or unknown, as a run would fail; 3 if no "
        "setting says where images go. docs/plan-and-why.md describes the output."
    )

    cmd_options = (JSON, EXIT_CODE)

    def _execute(self, json: bool, exit_code: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        context = current()
        tasks = {task.name: task for task in self.task_list}
        found = self._plan(context, tasks, matching(tasks, arguments(pos_args) or [PUSH_ALL]))
        target, version = where(context), context.settings.version
        if json:
            self.say(encoded(as_object(found, target, version)))
        else:
            stream = self.outstream
            self.say(as_text(found, target, version, colour=colours(stream), width=columns(stream)))
        return state_code(found.counts) if exit_code else faults_code(found.counts)

    def _plan(self, context: RunContext, tasks: Mapping[str, Any], names: Iterable[str]) -> Plan:
        needed = with_prerequisites(tasks, names)
        pushes = images_of(context.catalogue, tasks, needed, "push")
        loads = images_of(context.catalogue, tasks, needed, "build")
        if not pushes and not loads and not ({PUSH_ALL, "build_all"} & needed):
            raise InvalidCommand(f"{', '.join(names)}: pushes and builds no image, so there is nothing to plan")
        check_sandbox(context)
        context.ask(pushes=pushes, loads=())  # Without loads, no builder has to be asked for.
        if pushes and not context.settings.sandbox:
            context.settings.require_destination()  # Every image would be blocked by the same missing setting.
        return plan(context, pushes, {image.name: build.is_loaded(context, image) for image in loads})


@dataclass(frozen=True)
class Planned:
    """What a run would do about one image.

    Attributes:
        task: the task that would do it.
        state: `current`, `retag`, `build`, `blocked` or `unknown`.
        reason: why, in words; empty if it is current.
        next_step: what to do about it, if it is blocked or unknown.
        fingerprint: of its inputs; None if they cannot be read.
        digest: what its tags are on, or would be; None if that is not built yet.
        unpinned: the base images of which only the name counts.
        special: the files and directories whose setuid, setgid or sticky bits the image would not have.
        size: the bytes of the files that would be sent; None if unknown.
        comparison: with what the version tag is on, if it was compared.
    """

    task: str
    image: Image
    state: str
    reason: str
    next_step: str = ""
    fingerprint: str | None = None
    digest: Digest | None = None
    unpinned: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    size: int | None = None
    comparison: Comparison | None = None

    @property
    def changes(self) -> tuple[Change, ...] | None:
        """What differs from what the version tag is on; None if unknown."""
        return None if self.comparison is None else self.comparison.changes

    def data(self) -> dict[str, Any]:
        """Return the object of the image in the JSON."""
        compared = self.comparison
        return {
            "task": self.task,
            "image": self.image.name,
            "state": self.state,
            "reason": self.reason,
            "next_step": self.next_step,
            "fingerprint": self.fingerprint,
            "digest": None if self.digest is None else str(self.digest),
            "unpinned": list(self.unpinned),
            "special_bits_dropped": list(self.special),
            "bytes": self.size,
            "compared_with": None if compared is None else str(compared.digest),
            "changes": None if self.changes is None else [change.data() for change in self.changes],
        }


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        images: one for each image, in the order of the catalogue; pushes first.
    """

    images: tuple[Planned, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many images are in each state."""
        return Counter(one.state for one in self.images)

    @property
    def size(self) -> int:
        """The bytes that would be sent, as far as they are known."""
        return sum(one.size or 0 for one in self.images)

    @property
    def unpinned(self) -> Mapping[str, list[str]]:
        """By base image of which only the name counts, the images that are built from it."""
        found: dict[str, list[str]] = {}
        for one in self.images:
            for base in one.unpinned:
                found.setdefault(base, []).append(one.image.name)
        return found

    @property
    def special(self) -> Mapping[tuple[str, ...], list[str]]:
        """By files whose special bits are lost, the images that would be built of them."""
        found: dict[tuple[str, ...], list[str]] = {}
        for one in self.images:
            if one.special and one.state == "build":
                found.setdefault(one.special, []).append(one.image.name)
        return found


# What it asks


def plan(context: RunContext, pushes: Sequence[Image], loads: Mapping[str, bool], *, whole: bool = False) -> Plan:
    """Return what a run would do.

    `loads` says of each image that it would build into the engine whether the engine has it already. `whole` also
    compares an image that needs only a tag with what its version tag is on.
    """
    decided = {image: context.decisions.of(image) for image in pushes}
    differing = Build | Retag if whole else Build
    compared = _compare(context, [image for image, decision in decided.items() if isinstance(decision, differing)])
    planned = [_pushed(context, image, decision, compared.get(image.name)) for image, decision in decided.items()]
    planned += [_loaded(context, context.catalogue.image(name), current=current) for name, current in loads.items()]
    return Plan(tuple(planned))


def build_reasons(context: RunContext) -> Iterator[tuple[str, str]]:
    """Yield the name of each image that a run builds, and why, in the order in which they are built."""
    building = [image for image in context.asked.pushes if isinstance(context.decisions.of(image), Build)]
    with Pool(_EXPLAINED_AT_ONCE) as pool:
        for found in pool.map(lambda image: plan(context, [image], {}), building):
            yield from ((one.image.name, one.reason) for one in found.images)


def where(context: RunContext) -> str | None:
    """Return where images go; None if unknown, which is then the reason of each image."""
    try:
        return context.target.prefix if context.asked.pushes else None
    except SleeperImagesError:
        return None


def _compare(context: RunContext, images: Iterable[Image]) -> Mapping[str, Comparison]:
    """Compare images' inputs with what their version tags are on; by name, for the images that have one."""
    wanted = {}
    for image in images:
        held = _version_digest(context, image)
        if held is not None:
            wanted[image.name] = (context.target.repository(image), held, context.decisions.collected(image))
    return context.records.compare(wanted) if wanted else {}


def _version_digest(context: RunContext, image: Image) -> Digest | None:
    """Return what the image's version tag is on; None if the tag does not exist or was not answered."""
    answers = context.decisions.held(image)
    found = answers.get(context.version) if answers else None
    # An error is an answer, too; the decision reports it.
    return None if found is None or isinstance(found, SleeperImagesError) else found.digest


def _pushed(context: RunContext, image: Image, decision: Decision, comparison: Comparison | None) -> Planned:
    task, word = f"push:{image.name}", state(decision)
    try:
        known = _made_of(image, context.decisions.collected(image))
    except SleeperImagesError:
        known = {}  # The decision reports it.
    match decision:
        case Current(digest):
            return Planned(task, image, word, "", digest=digest, size=0, **known)
        case Retag(digest, reason):
            return Planned(task, image, word, reason, digest=digest, size=0, comparison=comparison, **known)
        case Blocked(error) | Unknown(error):
            return Planned(task, image, word, error.message, error.next_step, **known)
        case Build():
            reason = _why_build(context, image, decision, comparison)
            size = _size(context.decisions.collected(image), comparison)
            return Planned(task, image, word, reason, size=size, comparison=comparison, **known)


def _loaded(context: RunContext, image: Image, *, current: bool) -> Planned:
    task = f"build:{image.name}"
    try:
        known = _made_of(image, context.decisions.collected(image))
    except SleeperImagesError as error:
        return Planned(task, image, "blocked", error.message, error.next_step)
    if current:
        return Planned(task, image, "current", "", size=0, **known)
    return Planned(task, image, "build", "for the local engine", size=0, **known)


def _why_build(context: RunContext, image: Image, decision: Build, comparison: Comparison | None) -> str:
    if context.settings.force:
        return FORCED
    held = context.decisions.held(image)
    if held.get(inputs_tag(context.decisions.collected(image).inputs.fingerprint())) is not None:
        return decision.reason  # The registry holds an image of these inputs, of the wrong kind.
    if comparison is None:
        return "not in the registry"
    if comparison.changes is None:
        return f"{decision.reason}; {comparison.omitted}"
    if not comparison.changes:
        return f"the image under {context.version} has these inputs, but its inputs tag was deleted"
    return summary(comparison.changes, lambda path: file_of(image, context.settings.version, path))


# What it shows


def file_of(image: Image, version: str | None, path: str) -> str:
    """Return how users know a file of an image's context: a jar by its name, others by their path."""
    if path == LAMBDA_JAR and image.jar is not None:
        return image.jar if version is None else str(image.jar_name(version))
    return path if path.endswith(".jar") else f"docker/{image.directory}/{path}"


def as_object(found: Plan, target: str | None, version: str | None) -> dict[str, Any]:
    """Return the plan as JSON has it."""
    return {
        "target": target,
        "version": version,
        "images": [one.data() for one in found.images],
        "totals": {**{word: found.counts.get(word, 0) for word in STATES}, "bytes": found.size},
    }


def as_text(found: Plan, target: str | None, version: str | None, *, colour: bool = False, width: int = WIDTH) -> str:
    """Return a line for each image, the notes and the total."""
    return "".join(f"{line}\n" for line in _lines(found, target, version, colour=colour, width=width))


def _lines(found: Plan, target: str | None, version: str | None, *, colour: bool, width: int) -> Iterator[str]:
    indent = " " * (_WIDEST + 5)
    if target is not None:
        yield f"sleeper-images → {target}  version {version or '-'}"
    shown: set[str] = set()
    for one in found.images:
        first, *rest = folded(f"  {one.state:<{_WIDEST}} {_line(one, shown)}", indent, width)
        yield first.replace(one.state, coloured(one.state, one.state, colour=colour), 1)
        yield from rest
    for step in dict.fromkeys(one.next_step for one in found.images):
        yield from folded(f"  next: {step}", " " * 8, width) if step else ()
    for base, images in found.unpinned.items():
        note = f"{printable(base)} ({_few(images)}): only its name counts; base=refresh locks it"
        yield from folded(f"  {'unpinned':<{_WIDEST}} {note}", indent, width)
    for paths, images in found.special.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        lost = "setuid, setgid and sticky bits are lost; set them in the Dockerfile (COPY --chmod)"
        note = f"{printable(paths[0])}{more} ({_few(images)}): {lost}"
        yield from folded(f"  {'modes':<{_WIDEST}} {note}", indent, width)
    yield from folded(_total(found), "  ", width)


def _total(found: Plan) -> str:
    """Return the last line: how many images in all and in each state, and how much a run would send."""
    counts = found.counts
    parts = ", ".join(f"{counts[word]} {_WORDS.get(word, word)}" for word in STATES if word in counts)
    noun = "image" if len(found.images) == 1 else "images"
    sent = f"; about {human(found.size)} to send" if found.size else ""
    return f"{len(found.images)} {noun}: {parts}{sent}" if found.images else "no images are selected"


def _line(one: Planned, shown: set[str]) -> str:
    name = one.image.name if one.task.startswith("push:") else one.task
    if not one.reason:
        return f"{name}  {one.digest.short}" if one.digest else name
    if one.state in FAULTS:
        # Many images often have one fault.
        reason = "as above" if one.reason in shown else printable(one.reason)
        shown.add(one.reason)
        return f"{name}: {reason}"
    sent = f"  ({human(one.size).replace(' ', TOGETHER)})" if one.size else ""
    return f"{name}: {one.reason}{sent}"


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} images"  # noqa: PLR2004  # As many as fit a line.


def _made_of(image: Image, collected: Collected) -> dict[str, Any]:
    """Return the attributes of `Planned` that follow from what the image is made of."""
    return {
        "fingerprint": collected.inputs.fingerprint(),
        "unpinned": collected.inputs.unpinned,
        "special": tuple(
            f"docker/{image.directory}/{entry.path}" for entry in collected.sources.entries if entry.special
        ),
    }


def _size(collected: Collected, comparison: Comparison | None) -> int:
    """Return the bytes of the context's files that the registry lacks, or of all files if that is unknown."""
    fresh = None
    if comparison is not None and comparison.changes:
        fresh = {change.name for change in comparison.changes if change.what == "context" and change.new is not None}
    states = collected.sources.states
    return sum(
        states[entry.source].size
        for entry in collected.sources.entries
        if entry.source is not None and (fresh is None or entry.path in fresh)
    )
