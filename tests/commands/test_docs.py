from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.commands import docs as tables
from tasks.configuration import catalogue
from tests.integration.project import CHECKOUT

CATALOGUE = catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml")

DEPLOYMENTS = """\
| Deployment Name            | Optional Stack     | Multiplatform |
|----------------------------|--------------------|---------------|
| ingest                     | IngestStack        | false         |
| bulk-import-runner         | EksBulkImportStack | false         |
| compaction-job-execution   | CompactionStack    | true          |
| bulk-export-task-execution | BulkExportStack    | false         |
| statestore-committer       |                    | true          |
"""

LAMBDAS = """\
| Filename                                            | Image Name                        | Always Docker deploy |
|-----------------------------------------------------|-----------------------------------|----------------------|
| athena-`<version-number>`.jar                       | athena-lambda                     | true                 |
| bulk-import-starter-`<version-number>`.jar          | bulk-import-starter-lambda        | false                |
| bulk-export-planner-`<version-number>`.jar          | bulk-export-planner               | false                |
| bulk-export-task-creator-`<version-number>`.jar     | bulk-export-task-creator          | false                |
| ingest-taskrunner-`<version-number>`.jar            | ingest-task-creator-lambda        | false                |
| ingest-batcher-submitter-`<version-number>`.jar     | ingest-batcher-submitter-lambda   | false                |
| ingest-batcher-job-creator-`<version-number>`.jar   | ingest-batcher-job-creator-lambda | false                |
| lambda-garbagecollector-`<version-number>`.jar      | garbage-collector-lambda          | false                |
| lambda-jobSpecCreationLambda-`<version-number>`.jar | compaction-job-creator-lambda     | false                |
| runningjobs-`<version-number>`.jar                  | compaction-task-creator-lambda    | false                |
| lambda-splitter-`<version-number>`.jar              | partition-splitter-lambda         | false                |
| query-`<version-number>`.jar                        | query-lambda                      | true                 |
| cdk-custom-resources-`<version-number>`.jar         | custom-resources-lambda           | false                |
| metrics-`<version-number>`.jar                      | metrics-lambda                    | false                |
| statestore-lambda-`<version-number>`.jar            | statestore-lambda                 | false                |
"""

PAGE = f"# Images\n\n{DEPLOYMENTS}\n\n## Lambdas\n\n| a | b |\n|---|---|\n| c | d |\n\n{LAMBDAS}\nEnd.\n"


def differing(page: str) -> list[str]:
    return [f"{one.line}: {one.message}" for one in tables.differences(page, tables.tables(CATALOGUE))]


@pytest.mark.parametrize(("number", "expected"), [(0, DEPLOYMENTS), (1, LAMBDAS)])
def test_the_tables_are_the_documents_byte_for_byte(number: int, expected: str) -> None:
    assert tables.tables(CATALOGUE)[number].markdown() == expected


def test_an_image_of_several_stacks_names_them_all() -> None:
    images = (replace(CATALOGUE.images[0], stacks=("IngestStack", "QueryStack")), *CATALOGUE.images[1:])
    table = tables.tables(replace(CATALOGUE, images=images))[0]
    assert table.rows[0] == ("ingest", "IngestStack, QueryStack", "false")


def test_a_page_with_the_documents_tables_agrees() -> None:
    assert differing(PAGE) == []


def test_padding_does_not_count() -> None:
    assert differing(PAGE.replace("  ", " ").replace("| ", "|")) == []


def test_a_page_with_windows_line_ends_agrees() -> None:
    assert differing(PAGE.replace("\n", "\r\n")) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "| compaction-job-execution   | CompactionStack    | true ",
            "| compaction-job-execution   | CompactionStack    | false",
            "7: compaction-job-execution: Multiplatform is 'false', in the catalogue 'true'",
        ),
        (
            "| statestore-committer       |                    |",
            "| statestore-committer       | CompactionStack    |",
            "9: statestore-committer: Optional Stack is 'CompactionStack', in the catalogue empty",
        ),
        ("| query-`<version-number>`.jar ", "| query.jar ", "31: query-lambda: Filename is 'query.jar',"),
        ("| ingest       ", "| inngest      ", "5: inngest is not among the catalogue's deployments"),
        (
            "| bulk-import-runner         | EksBulkImportStack | false         |\n",
            "",
            "3: bulk-import-runner is missing from the deployments",
        ),
        ("|---------------|\n", "|---------------|\n| ingest | IngestStack | false |\n", "6: ingest occurs twice"),
        ("| Deployment Name ", "| Name ", "None: the table of the deployments is missing"),
        (
            "| ingest                     | IngestStack        | false         |\n",
            "| ingest | IngestStack |\n",
            "5: ingest | IngestStack is not among the catalogue's deployments",
        ),
    ],
)
def test_what_differs_is_named_with_its_line(before: str, after: str, expected: str) -> None:
    assert before in PAGE
    assert any(line.startswith(expected) for line in differing(PAGE.replace(before, after, 1)))


def test_another_order_is_named() -> None:
    ingest = "| ingest                     | IngestStack        | false         |\n"
    page = PAGE.replace(ingest, "").replace("\n\n\n## Lambdas", f"\n{ingest}\n\n## Lambdas")
    assert differing(page) == ["3: the deployments are in another order than in the catalogue"]


def test_a_page_without_tables_lacks_both() -> None:
    assert len(differing("# Nothing here\n")) == 2
