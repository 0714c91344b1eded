from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.engine.progress import Progress
from tasks.report.events import Began, Ended, Event, Finished, Moved, Noted, RunState, Started
from tasks.report.plain import Plain
from tasks.system.terminal import Terminal
from tests import golden
from tests.report import runs


def shown(events: list[Event], *, starts: bool = True) -> str:
    """Return what the events write."""
    stream, run = io.StringIO(), RunState()
    display = Plain(Terminal(stream, {}), starts=starts)
    for event in events:
        run.add(event)
        display.show(event, run)
    return stream.getvalue()


def test_a_run_with_every_outcome() -> None:
    golden.check("run-every-outcome.txt", shown(runs.whole(Path("logs/push.log"))))


def test_a_run_in_which_nothing_changed_is_one_line_besides_the_first() -> None:
    current = [runs.ended(0.2, name, "current") for name in runs.NAMES]
    lines = shown([runs.started(), *current, Finished(0.4)]).splitlines()
    assert lines[1:] == ["5 images: 5 current  0.4 s"]


def test_a_run_that_was_interrupted() -> None:
    events: list[Event] = [runs.started(), runs.began(0.5, "ingest"), runs.ended(1.0, "ingest", "interrupted")]
    events += [runs.ended(1.0, name, "not run") for name in runs.NAMES[1:]]
    golden.check("run-interrupted.txt", shown([*events, Finished(1.0, "", "report.html")]))


def test_an_image_is_said_to_begin_when_it_is_known_why() -> None:
    why = runs.explained(0.6, "ingest", "docker/ingest/run.sh changed")
    before = shown([runs.started("ingest"), why, runs.began(0.7, "ingest")])
    after = shown([runs.started("ingest"), runs.began(0.5, "ingest"), why])
    assert before.splitlines()[1:] == ["  build     ingest  docker/ingest/run.sh changed"]
    assert after == before


def test_an_image_of_which_nobody_found_out_why_is_said_to_begin_when_it_has_ended() -> None:
    begun = [runs.started("ingest"), runs.began(0.5, "ingest")]
    assert len(shown(begun).splitlines()) == 1
    lines = shown([*begun, runs.ended(1.0, "ingest")]).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["build", "ingest"], ["built", "ingest"]]
    assert lines[1].endswith("these inputs are not in the registry")


def test_one_image_is_no_images() -> None:
    assert "1 image: 1 current" in shown([runs.started("ingest"), runs.ended(1, "ingest", "current"), Finished(1)])


def test_where_nothing_is_pushed_no_target_is_named() -> None:
    assert shown([runs.started("ingest", target="")]) == ""


def test_a_run_without_images_has_no_summary() -> None:
    assert shown([Started(0, 0, "", "", ()), Ended(1, "sandbox", "sandbox", "", "done"), Finished(1)]) == ""


def test_starts_can_be_left_to_a_board() -> None:
    assert "build     ingest" not in shown(runs.whole(), starts=False)


def test_what_builds_print_cannot_steer_the_terminal() -> None:
    assert not {"\x1b", "\x07"} & set(shown(runs.whole()))


@pytest.mark.parametrize("event", runs.whole(), ids=lambda event: type(event).__name__)
def test_each_event_is_written_in_one_piece(event: Event) -> None:
    """Lines of workers cannot mix."""
    pieces: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    Plain(Terminal(Stream(), {})).show(event, runs.after(runs.whole()))
    assert len(pieces) <= 1
    assert all(piece.endswith("\n") for piece in pieces)


def test_a_long_note_fits_eighty_columns() -> None:
    lines = shown([runs.started(), Noted(1, "builder", "word " * 60)]).splitlines()[1:]
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


def test_the_summary_fits_eighty_columns_and_parts_no_name_from_its_time() -> None:
    names = [f"a-lambda-with-a-rather-long-name-{number}" for number in range(4)]
    events: list[Event] = [runs.started(*names)]
    for name in names:
        events += [runs.began(1, name), runs.ended(2.5, name)]
    lines = shown([*events, Finished(3)]).splitlines()
    summary = lines[lines.index("4 images: 4 built  3.0 s") :]
    assert max(map(len, summary)) <= 80
    assert sum(line.rstrip(",").endswith(" 1.5 s") for line in summary) == 3


def stopped(*faults: tuple[str, str], decision: str = "blocked") -> str:
    """Return what is shown of images that a fault stops before a command runs."""
    events: list[Event] = [runs.started()]
    for name, fault in faults:
        events.append(replace(runs.began(0.1, name), decision=decision, reason=fault))
        events.append(replace(runs.ended(0.1, name, "failed"), error=fault, next_step="run Maven"))
    return shown([*events, Finished(0.2)])


@pytest.mark.parametrize("decision", ["blocked", "build"])
def test_a_fault_that_stops_many_images_is_told_once_with_them_in_their_order(decision: str) -> None:
    text = stopped(("query-lambda", "no docker/lambda"), ("ingest", "no docker/lambda"), decision=decision)
    _, _, block = text.partition("FAILED 2 images\n")
    assert block.splitlines()[:3] == ["  no docker/lambda", "    ingest, query-lambda", "    next: run Maven"]


def test_faults_with_one_remedy_are_told_together() -> None:
    _, _, block = stopped(("ingest", "no ingest.jar"), ("query-lambda", "no query.jar")).partition("FAILED 2 images\n")
    assert block.splitlines()[:3] == ["  ingest: no ingest.jar", "  query-lambda: no query.jar", "    next: run Maven"]


def test_the_images_of_one_fault_fit_eighty_columns() -> None:
    names = [f"a-lambda-with-a-rather-long-name-{number}" for number in range(15)]
    faults = [replace(runs.ended(0.1, name, "failed"), error="gone") for name in names]
    _, _, text = shown([runs.started(*names), *faults, Finished(0.2)]).partition("FAILED 15 images")
    assert all(name in text.partition("15 images:")[0] for name in names)
    assert max(map(len, text.splitlines())) <= 80


def test_a_line_that_is_too_long_is_folded_below_its_image() -> None:
    reason = "tag 0.36.0 points to 3f1c2a9b77aa, these inputs are 91aa00112233"
    name = "ingest-batcher-job-creator-lambda"
    lines = shown([runs.started(name), runs.began(1, name, decision="retag", reason=reason)]).splitlines()[1:]
    assert lines == [
        f"  retag     {name}  tag 0.36.0 points to",
        "              3f1c2a9b77aa, these inputs are 91aa00112233",
    ]


def test_where_the_registry_is_not_known_the_first_line_says_what_is() -> None:
    started = Started(0, 0, "", "0.36.0", (), "mine")
    assert shown([started]) == "sleeper-images → mine (registry not known)  version 0.36.0\n"


def test_output_never_begins_with_an_empty_line() -> None:
    failed = Ended(1, "sandbox", "sandbox", "", "failed", error="no engine")
    assert shown([Started(0, 0, "", "", ()), failed]).splitlines()[0] == "FAILED sandbox"


def test_what_was_loaded_is_told_by_its_name_in_the_engine() -> None:
    loaded = Ended(1, "build:ingest", "build", "ingest", "loaded", name="ingest:0.36.0")
    assert "  loaded    ingest:0.36.0" in shown([Started(0, 0, "", "", (("build:ingest", "ingest"),)), loaded])


def test_what_takes_long_before_any_image_is_told_as_it_begins() -> None:
    events = [Started(0, 0, "", "", ()), Began(0, "sandbox", "sandbox", "", 1)]
    assert shown([*events, Moved(1, "sandbox", Progress("installing docker.io"))]) == (
        "  note      sandbox: installing docker.io\n"
    )


NOTE = "(begins with the command)"


def broken(name: str, error: str, next_step: str = "") -> list[Event]:
    failed = runs.ended(2.5, name, "failed", error=error, log=f"/logs/push-{name}.log")
    return [runs.began(1, name), replace(failed, next_step=next_step)]


def test_the_same_fault_of_many_builds_is_one_block_and_a_line_for_each_other() -> None:
    names = [f"image-{number}-lambda" for number in range(14)]
    events: list[Event] = [runs.started(*names)]
    for number, name in enumerate(names):
        same = f"step took {number}.5 s, sha256:{number:064x}: the engine stopped answering"
        events += broken(name, f"the build of {name} was interrupted\n  {same}", f"see /logs/push-{name}.log")
    text = shown([*events, Finished(3)])
    assert text.count("FAILED") == text.count("stopped answering") == 1
    told = [line.split() for line in text.splitlines() if line.startswith("  failed    image-")]
    assert told == [["failed", name, "as", "push:image-0-lambda", "1.5", "s"] for name in names[1:]]


def test_two_faults_are_two_blocks() -> None:
    faults = [*broken("ingest", "no space left"), *broken("query-lambda", "not found")]
    text = shown([runs.started(), *faults, Finished(3)])
    assert text.count("FAILED push:") == 2


def test_a_failure_takes_fifteen_lines_at_most_and_keeps_its_end() -> None:
    error = "\n".join(f"  line {number} " + "word " * 30 for number in range(40))
    _, _, block = shown([runs.started(), *broken("ingest", error, "do this"), Finished(3)]).partition("\nFAILED ")
    lines = block.partition("\n\n")[0].splitlines()
    assert len(lines) <= 15
    assert [line.strip() for line in lines[-2:]] == ["next: do this", f"log:  /logs/push-ingest.log {NOTE}"]
    assert max(map(len, lines)) <= 80
