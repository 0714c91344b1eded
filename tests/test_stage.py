from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks import stage
from tasks.errors import ChangedWhileBuildingError
from tests.contexts import IMAGES, INGEST, INGEST_RUNNER, QUERY, World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def staged(here: World) -> set[str]:
    return {path.name for path in here.context.state.contexts.glob("*")}


def test_what_has_to_be_built_is_staged_under_its_name_and_fingerprint(here: World) -> None:
    stage.stage(here.context, QUERY)
    directory = here.staged(QUERY)
    assert staged(here) == {directory.name}
    assert {path.name for path in directory.iterdir()} >= {"Dockerfile", "lambda.jar"}
    jar = here.context.settings.scripts_dir / "jars" / "query-1.2.3.jar"
    assert (directory / "lambda.jar").read_bytes() == jar.read_bytes()


def test_what_is_current_is_not_staged(here: World) -> None:
    here.hold(QUERY)
    assert stage.is_not_needed(here.context, QUERY)
    stage.stage(here.context, QUERY)
    assert staged(here) == set()


def test_a_former_context_of_the_image_is_removed_and_no_other_images(here: World) -> None:
    for name in ("ingest-000000000000", "ingest-111111111111.partial", "ingest-runner-000000000000"):
        (here.context.state.contexts / name).mkdir(parents=True)
    stage.stage(here.context, INGEST)
    assert staged(here) == {"ingest-runner-000000000000", here.staged(INGEST).name}


def test_inputs_that_changed_since_they_were_read_are_not_staged(here: World) -> None:
    here.context.decisions.of(INGEST)
    (here.context.settings.scripts_dir / "docker" / "ingest" / "ingest.jar").write_bytes(b"other")
    with pytest.raises(ChangedWhileBuildingError):
        stage.stage(here.context, INGEST)
    assert staged(here) == set()


@pytest.mark.parametrize("dryrun", [True, False])
def test_clean_removes_the_images_contexts_and_tells_which(here: World, dryrun: bool) -> None:
    stage.stage(here.context, INGEST)
    stage.stage(here.context, INGEST_RUNNER)
    directory = here.staged(INGEST)
    assert stage.remove(here.context, INGEST, dryrun=dryrun) == [directory]
    assert directory.exists() == dryrun
    assert here.staged(INGEST_RUNNER).exists()


def test_each_image_has_a_task_that_lists_its_files(here: World) -> None:
    tasks = {task["name"]: task for task in stage.tasks(here.context)}
    assert set(tasks) == {image.name for image in IMAGES}
    assert {Path(path).name for path in tasks["query-lambda"]["file_dep"]} == {
        "Dockerfile",
        "query-1.2.3.jar",
        "version.txt",
    }
