"""What push does short of a build; builds are tested with a real engine."""

from pathlib import Path

import pytest

from tasks import push
from tasks.decision import Blocked, Build, Current, Unknown
from tasks.errors import MissingInputError, ProofError, RegistryError, SettingsError
from tasks.model import CURRENT
from tests.contexts import HELD, INGEST, QUERY, VERSION, world


def test_what_is_current_stays_as_it_is(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.hold(INGEST)
        done = push.push(here.context, INGEST)
        assert (done["outcome"], done["digest"]) == (CURRENT, str(HELD))
        assert {asked.method for asked in here.server.asked} <= {"GET", "HEAD"}
        assert push.is_current(here.context, INGEST)


def test_what_cannot_be_read_fails_with_the_reason_that_it_was_decided_for(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        (here.context.settings.scripts_dir / "jars" / "query-1.2.3.jar").unlink()
        assert isinstance(here.context.decisions.of(QUERY), Blocked)
        with pytest.raises(MissingInputError, match=r"query-lambda: the jar .*query-1\.2\.3\.jar does not exist"):
            push.push(here.context, QUERY)


def test_what_could_not_be_decided_is_never_pushed(tmp_path: Path) -> None:
    with world(tmp_path, instance_id="") as here:
        assert isinstance(here.context.decisions.of(INGEST), Unknown)
        with pytest.raises(SettingsError, match="INSTANCE_ID"):
            push.push(here.context, INGEST)
        assert here.server.asked == []


def test_a_version_tag_is_not_moved_to_what_is_not_proved(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.hold(INGEST)
        here.tags.remove(f"ingest:{VERSION}")
        with pytest.raises((ProofError, RegistryError)):
            push.push(here.context, INGEST)
        assert here.server.count("PUT") == 0


def test_each_push_comes_after_its_context_its_repository_the_builder_and_the_login(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        tasks = {task["name"]: task for task in push.tasks(here.context)}
    assert tasks["ingest"]["task_dep"] == ["stage:ingest", "repository:ingest", "builder", "login"]


def test_force_builds_what_is_current(tmp_path: Path) -> None:
    with world(tmp_path, force="true") as here:
        here.hold(INGEST)
        assert here.context.decisions.of(INGEST) == Build("forced")
        assert not push.is_current(here.context, INGEST)


def test_what_was_settled_is_current_for_the_rest_of_the_run(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.context.decisions.of(INGEST)
        here.context.decisions.settle(INGEST, HELD)
        assert here.context.decisions.of(INGEST) == Current(HELD)
