from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.configuration import catalogue, selection, settings
from tasks.errors import SelectionError
from tasks.model import Kind

PROJECT = Path(__file__).parents[2]
WHOLE = catalogue.load(PROJECT / "catalogue" / "sleeper.yaml")
NAMES = {
    *("ingest", "compaction-job-execution", "bulk-export-task-execution", "statestore-committer"),
    *("athena-lambda", "bulk-export-planner", "bulk-export-task-creator", "ingest-task-creator-lambda"),
    *("compaction-job-creator-lambda", "compaction-task-creator-lambda", "query-lambda"),
    *("custom-resources-lambda", "metrics-lambda", "statestore-lambda"),
}
SLEEPER = replace(WHOLE, images=tuple(image for image in WHOLE.images if image.name in NAMES))
"""Some of Sleeper's images: those that are added to its catalogue change nothing here."""

ALWAYS = ("statestore-committer", "custom-resources-lambda", "statestore-lambda")
"""What every instance has whose lambdas are deployed from images."""


def select(**variables: str) -> tuple[str, ...]:
    return tuple(image.name for image in selection.select(SLEEPER, settings.load(variables, {}, PROJECT)))


def refusal(**variables: str) -> str:
    with pytest.raises(SelectionError) as caught:
        select(**variables)
    assert str(SLEEPER.path) in caught.value.next_step
    return caught.value.message


def test_without_variables_every_image_is_selected_in_the_catalogues_order() -> None:
    assert select() == tuple(image.name for image in SLEEPER.images)


def test_without_optional_stacks_what_is_always_deployed_is_left() -> None:
    assert select(stacks="none") == ALWAYS


def test_two_stacks_with_lambdas_from_jars_are_their_deployments() -> None:
    found = select(stacks="IngestStack,CompactionStack", lambda_deploy_type="jar")
    assert found == ("ingest", "compaction-job-execution", "statestore-committer")


def test_a_stack_brings_its_deployments_and_lambdas() -> None:
    found = select(stacks="CompactionStack")
    expected = {"compaction-job-execution", "compaction-job-creator-lambda", "compaction-task-creator-lambda", *ALWAYS}
    assert set(found) == expected


@pytest.mark.parametrize("stack", ["QueryStack", "WebSocketQueryStack", "KeepLambdaWarmStack"])
def test_any_one_of_an_images_stacks_is_enough(stack: str) -> None:
    assert "query-lambda" in select(stacks=stack, lambda_deploy_type="jar")


def test_with_jars_only_those_lambdas_are_left_that_are_always_images() -> None:
    lambdas = [name for name in select(lambda_deploy_type="jar") if SLEEPER.image(name).kind is Kind.LAMBDA]
    assert lambdas == ["athena-lambda", "query-lambda"]


def test_the_case_of_stacks_does_not_count() -> None:
    assert select(stacks="ingeststack,COMPACTIONSTACK") == select(stacks="IngestStack,CompactionStack")


def test_a_stack_without_images_is_known() -> None:
    assert select(stacks="DashboardStack") == ALWAYS


def test_names_and_globs_choose_images_once_each() -> None:
    assert select(images="ingest,bulk-export-*,ing?st") == (
        "ingest",
        "bulk-export-task-execution",
        "bulk-export-planner",
        "bulk-export-task-creator",
    )


def test_names_choose_among_what_stacks_leave() -> None:
    assert select(images="*-lambda", stacks="QueryStack", lambda_deploy_type="jar") == ("query-lambda",)


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"images": "query-lamda"},
            "IMAGES (command line): no image is named 'query-lamda'; did you mean 'query-lambda'?",
        ),
        (
            {"images": "qurey-lam*"},
            "IMAGES (command line): no image matches 'qurey-lam*'; did you mean 'query-lambda'?",
        ),
        ({"images": "ingest,zz*"}, "IMAGES (command line): no image matches 'zz*'"),
        (
            {"stacks": "IngstStack"},
            "STACKS (command line): unknown stack 'IngstStack'; did you mean 'IngestStack'?",
        ),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused(variables: dict[str, str], fault: str) -> None:
    assert fault == refusal(**variables)


def test_a_stack_that_there_is_not_is_told_with_the_place_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "instance.properties"
    file.write_text("sleeper.id=mine\nsleeper.optional.stacks=IngstStack\n")
    fault = refusal(instance_properties=str(file))
    assert fault.startswith(f"STACKS (sleeper.optional.stacks in {file}:2): unknown stack 'IngstStack'")


def test_all_faults_are_named_at_once() -> None:
    assert len(refusal(stacks="xx,IngestStack,yy", images="zz").splitlines()) == 3


def test_names_of_which_nothing_is_left_are_refused_rather_than_doing_nothing() -> None:
    fault = refusal(images="ingest", stacks="QueryStack")
    assert fault.startswith("IMAGES (command line): none of ingest is selected by STACKS (command line)")


STACKS = st.lists(st.sampled_from(SLEEPER.stacks), unique=True)


@given(STACKS, STACKS)
def test_more_stacks_never_select_less(some: list[str], more: list[str]) -> None:
    assert set(select(stacks=",".join(some) or "none")) <= set(select(stacks=",".join([*some, *more]) or "none"))


@given(STACKS, STACKS)
def test_stacks_together_select_what_each_selects(some: list[str], others: list[str]) -> None:
    together = set(select(stacks=",".join([*some, *others]) or "none"))
    assert together == set(select(stacks=",".join(some) or "none")) | set(select(stacks=",".join(others) or "none"))


@given(STACKS, st.sampled_from(["jar", "container"]))
def test_what_is_always_deployed_is_always_selected(stacks: list[str], deploy_type: str) -> None:
    assert "statestore-committer" in select(stacks=",".join(stacks) or "none", lambda_deploy_type=deploy_type)


@given(STACKS.flatmap(lambda stacks: st.tuples(st.just(stacks), st.permutations(stacks))))
def test_the_order_and_the_case_of_stacks_do_not_count(stacks: tuple[list[str], list[str]]) -> None:
    some, shuffled = stacks
    first = select(stacks=",".join(some) or "none")
    assert first == select(stacks=",".join(map(str.swapcase, shuffled)) or "none")
