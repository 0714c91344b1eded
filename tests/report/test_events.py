import pytest

from tasks.report.events import Ended, Finished, RunState
from tests.report import runs


def test_a_record_counts_what_became_of_images() -> None:
    assert runs.after(runs.whole()).counts == {"built": 1, "retagged": 1, "current": 1, "failed": 1, "not run": 1}


def test_tasks_that_come_before_images_are_not_counted() -> None:
    assert "builder" not in {work.task for work in runs.after(runs.whole()).images}


def test_an_image_is_known_before_anything_happened_to_it() -> None:
    found = runs.after([runs.started("ingest")])
    assert [(work.image, work.outcome) for work in found.images] == [("ingest", "")]


def test_what_began_and_has_not_ended_is_running_the_oldest_first() -> None:
    found = runs.after([runs.started(), runs.began(2, "ingest"), runs.began(1, "query-lambda")])
    assert [work.image for work in found.running] == ["query-lambda", "ingest"]


def test_time_is_what_passed_between_beginning_and_end() -> None:
    found = runs.after([runs.started(), runs.began(1, "ingest"), runs.ended(3.5, "ingest")])
    assert found.tasks["push:ingest"].seconds == 2.5


def test_the_slowest_are_those_that_were_built_and_not_the_current_ones() -> None:
    assert [work.image for work in runs.after(runs.whole()).slowest()] == ["ingest", "athena-lambda"]


@pytest.mark.parametrize(
    ("outcome", "worked"), [("current", False), ("not run", False), ("built", True), ("failed", True)]
)
def test_a_run_that_did_nothing_to_images_did_no_work(outcome: str, worked: bool) -> None:
    assert runs.after([runs.started("ingest"), runs.ended(1, "ingest", outcome)]).worked is worked


def test_a_task_that_fails_before_any_image_is_work() -> None:
    failed = Ended(1, "login", "login", "", "failed", error="refused")
    assert runs.after([runs.started("ingest"), failed]).worked


def test_the_end_says_how_long_the_run_took() -> None:
    found = RunState()
    found.add(Finished(2.5, "logs", "report"))
    assert (found.seconds, found.logs, found.report) == (2.5, "logs", "report")
