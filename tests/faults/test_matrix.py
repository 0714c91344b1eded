"""Every fault at every step of a push: one run carries as many of them as there are images, each on one of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from _pytest.mark import ParameterSet

from tests.faults import proxy
from tests.faults.place import Place
from tests.faults.proxy import FOR_EVER, NOT_FOUND, Action, Fault, no_subject
from tests.faults.truth import IMAGES
from tests.integration.project import Run

pytestmark = pytest.mark.integration

FAULTS: dict[str, Action] = {
    "drop": proxy.drop,
    "lose": proxy.lose,
    "delay": proxy.delay(2),
    "429": proxy.THROTTLED,
    "500": proxy.FAILED,
    "503": proxy.UNAVAILABLE,
    "401": proxy.UNAUTHORIZED,
    "403": proxy.FORBIDDEN,
    "cut": proxy.cut,
    "another digest": proxy.lie_about_digest,
    "other bytes": proxy.lie_about_content,
}
TEMPORARY = ("drop", "lose", "delay", "429", "500", "503")
"""Happening once, these must not fail a run at all."""

STUBBORN = ("drop", "429", "500", "401", "other bytes")
"""Those that are also tried without end."""

BUILT = (
    # What we ask: the look, the preflight, the proof, the tags, the look after the tags.
    *(("ours: HEAD inputs tag", after) for after in range(3)),
    ("ours: HEAD version tag", 0),
    ("ours: POST uploads", 0),
    ("ours: DELETE uploads", 0),
    ("ours: GET manifest", 0),
    ("ours: GET blob", 0),
    ("ours: HEAD blob", 0),
    ("ours: PUT inputs tag", 0),
    ("ours: PUT version tag", 0),
    # What BuildKit asks.
    ("buildkit: HEAD blob", 0),
    ("buildkit: POST uploads", 0),
    ("buildkit: PUT uploads", 0),
    ("buildkit: HEAD tag", 0),
    ("buildkit: PUT tag", 0),
    ("buildkit: HEAD manifest", 0),
    ("buildkit: PUT manifest", 0),
)
"""The steps of an image that is built, and how many such requests come before."""

BUILT_BY_DIGEST = tuple(
    (f"buildkit: {what}", 0)
    for what in (*("HEAD blob", "POST uploads", "PUT uploads", "HEAD manifest", "PUT manifest"),)
)
"""What BuildKit asks where it pushes by digest; what we ask is the same with each driver."""

MAIN = ("drop", "401", "another digest")
"""Those that are tried with the other drivers, too."""

RETAGGED = (
    ("ours: HEAD inputs tag", 0),
    ("ours: HEAD version tag", 0),
    ("ours: GET manifest", 0),
    ("ours: GET blob", 0),
    ("ours: HEAD blob", 0),
    ("ours: PUT version tag", 0),
)
"""The steps of one whose version tag has to move to an image that is there."""

WITHOUT_REFERRERS = [
    Fault("no subject", no_subject, "ours: PUT manifest", times=FOR_EVER),
    Fault("no referrers", NOT_FOUND, "ours: GET referrers", times=FOR_EVER),
]
"""What makes the registry one without a referrers API, where we list records under a tag."""

RECORDED = ("POST uploads", "PUT uploads", "PUT manifest", "GET record tag", "PUT record tag")
"""The steps of the record of an image's inputs, which is given up for the run where it cannot be written."""

ONLY_OF_AN_INDEX = {"buildkit: HEAD manifest", "buildkit: PUT manifest"}
"""BuildKit asks for manifests by digest only below an index."""


@dataclass(frozen=True)
class Cell:
    """A fault at a step."""

    step: str
    after: int
    name: str
    times: int

    def __str__(self) -> str:
        ordinal = f" {self.after + 1}" if self.after else ""
        return f"{self.step}{ordinal} · {self.name}{' always' if self.times > 1 else ''}"

    def fault(self, image: str) -> Fault:
        return Fault(str(self), FAULTS[self.name], self.step, image, self.times, self.after)


def cells(steps: Sequence[tuple[str, int]], names: Sequence[str], times: int) -> list[Cell]:
    return [Cell(step, after, name, times) for name, (step, after) in itertools.product(names, steps)]


def batches(todo: Sequence[Cell]) -> Iterator[dict[str, Cell]]:
    """Give each cell an image; those that need an index get one of the two that are."""
    indexes = [image.name for image in IMAGES if image.multiplatform]
    others = [image.name for image in IMAGES if not image.multiplatform]
    special = [cell for cell in todo if cell.step in ONLY_OF_AN_INDEX]
    usual = [cell for cell in todo if cell.step not in ONLY_OF_AN_INDEX]
    while special or usual:
        yield dict(zip(indexes, special, strict=False)) | dict(zip(others, usual, strict=False))
        special, usual = special[len(indexes) :], usual[len(others) :]


ONCE = list(batches(cells(BUILT, tuple(FAULTS), 1)))
FOR_EVER_ = list(batches(cells(BUILT, STUBBORN, FOR_EVER)))
RETAG = list(batches([*cells(RETAGGED, tuple(FAULTS), 1), *cells(RETAGGED, STUBBORN, FOR_EVER)]))


def _parts(todo: Sequence[Cell], size: int) -> Iterator[Sequence[Cell]]:
    return (todo[start : start + size] for start in range(0, len(todo), size))


def batches_by_digest(names: Sequence[str], times: int) -> list[dict[str, Cell]]:
    """Give each cell of a push by digest an image of one platform, whose manifest is the only one that it puts."""
    todo = cells(BUILT_BY_DIGEST, names, times)
    others = [image.name for image in IMAGES if not image.multiplatform]
    return [dict(zip(others, some, strict=False)) for some in _parts(todo, len(others))]


def sampled(found: Sequence[object]) -> list[ParameterSet]:
    """Mark three of four as nightly: each of the others has a fault or two at every step."""
    return [pytest.param(one, marks=[] if number % 4 == 0 else pytest.mark.nightly) for number, one in enumerate(found)]


def by_digest(names: Sequence[str], others: Sequence[str], times: int) -> list[ParameterSet]:
    """Return the batches of a push by digest: some faults each time, the others nightly."""
    return [
        *map(pytest.param, batches_by_digest(names, times)),
        *(pytest.param(batch, marks=pytest.mark.nightly) for batch in batches_by_digest(others, times)),
    ]


def summary(batch: dict[str, Cell]) -> str:
    """Name a batch by the faults in it."""
    return ", ".join(dict.fromkeys(cell.name for cell in batch.values()))


def failed(done: Run) -> set[str]:
    """Return the images that the summary names as failed."""
    named = re.search(r"^  failed +(.*\n(?: {15}.*\n)*)", done.output, re.MULTILINE)
    return set(re.split(r"[,\s]+", named[1])) if named else set()


def outcome(done: Run, image: str) -> str:
    """Return an image's outcome in the report; a failure must be reported once, with the next step."""
    failures = done.output.count(f"FAILED push:{image}\n") + done.output.count(f"FAILED push:{image} ")
    blocked = image in done.output.partition("not run")[2]
    assert failures <= 1, done.output
    if failures:
        block = done.output.partition(f"FAILED push:{image}")[2].partition("\n\n")[0]
        assert "next:" in block, block
        return "failed"
    if image in failed(done):  # The same fault is shown once: in one block for all its images, or with the first.
        once = rf"^FAILED \d+ images$|^  failed +{re.escape(image)} +as push:"
        assert re.search(once, done.output, re.MULTILINE), done.output
        return "failed"
    return "failed" if blocked or image not in done.pushed else "done"


def carry_out(here: Place, batch: dict[str, Cell], *, meet: bool = True) -> dict[str, str]:
    here.script(*(cell.fault(image) for image, cell in batch.items()))
    done = here.run()
    found = {image: outcome(done, image) for image in batch}
    if meet:
        missed = [str(cell) for image, cell in batch.items() if not here.met(image)]
        assert missed == []
    failed = {image for image, what in found.items() if what == "failed"}
    assert (done.code != 0) == bool(failed), done.output
    again = here.repair()
    assert again.built <= failed
    for image, what in found.items():
        print(f"{what:8}{batch[image]}")  # noqa: T201  # `pytest -s` shows the matrix.
    return found


@pytest.mark.parametrize("batch", sampled(ONCE), ids=summary)
def test_a_fault_that_happens_once(pushed: Place, batch: dict[str, Cell]) -> None:
    """Succeeds where the fault is temporary, and else fails clearly; the next run repairs it, no tag is ever wrong."""
    pushed.truth.edit()
    found = carry_out(pushed, batch)
    failed = [str(batch[image]) for image, what in found.items() if what == "failed"]
    assert [cell for cell in failed if cell.endswith(TEMPORARY)] == []


@pytest.mark.parametrize("batch", sampled(FOR_EVER_), ids=summary)
def test_a_fault_that_stays(pushed: Place, batch: dict[str, Cell]) -> None:
    """Fails clearly within the budget, or does not matter; the next run without it repairs it, no tag is ever wrong."""
    pushed.truth.edit()
    carry_out(pushed, batch)


@pytest.mark.parametrize("batch", by_digest(MAIN, [name for name in FAULTS if name not in MAIN], 1), ids=summary)
def test_a_fault_that_happens_once_to_a_push_by_digest(pushed_by_digest: Place, batch: dict[str, Cell]) -> None:
    """As with the engine's own builder, which needs a tag."""
    pushed_by_digest.truth.edit()
    found = carry_out(pushed_by_digest, batch)
    failed = [str(batch[image]) for image, what in found.items() if what == "failed"]
    assert [cell for cell in failed if cell.endswith(TEMPORARY)] == []


@pytest.mark.parametrize(
    "batch", by_digest(("401",), [name for name in STUBBORN if name != "401"], FOR_EVER), ids=summary
)
def test_a_fault_that_stays_of_a_push_by_digest(pushed_by_digest: Place, batch: dict[str, Cell]) -> None:
    """As with the engine's own builder."""
    pushed_by_digest.truth.edit()
    carry_out(pushed_by_digest, batch)


@pytest.mark.parametrize("batch", sampled(RETAG), ids=summary)
def test_a_fault_while_a_tag_moves(pushed: Place, batch: dict[str, Cell]) -> None:
    """As above, for images that are there and have lost their version tag."""
    for image in IMAGES:
        pushed.project.delete_tag(image.name, pushed.project.version)
    carry_out(pushed, batch)


@pytest.mark.parametrize("step", RECORDED)
@pytest.mark.parametrize(
    "name", ["403", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("500", "other bytes"))]
)
def test_what_befalls_the_record_of_the_inputs_fails_no_push(pushed: Place, step: str, name: str) -> None:
    few = [image for image in IMAGES if image.name in {"ingest", "statestore-committer"}]
    pushed.truth.edit(few)
    # The preflight's own upload comes before the record's.
    after = len(few) * (step == "POST uploads")
    faults = [Fault(name, FAULTS[name], f"ours: {step}", times=FOR_EVER, after=after)]
    if step.endswith("record tag"):
        faults += WITHOUT_REFERRERS
    pushed.script(*faults)
    done = pushed.run()
    assert [one for one in pushed.registry.asked if one.fault == name]
    assert (done.code, done.pushed) == (0, {image.name for image in few}), done.output
    assert pushed.repair().built == set()
