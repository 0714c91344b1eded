from __future__ import annotations

from dataclasses import replace

import pytest

from tasks.commands import docs as tables
from tasks.configuration import catalogue
from tests import golden
from tests.integration.project import CHECKOUT

CATALOGUE = catalogue.load(CHECKOUT / "catalogue" / "sleeper.yaml")

DEPLOYMENTS, LAMBDAS = (table.markdown() for table in tables.tables(CATALOGUE))
PAGE = f"# Images\n\n{DEPLOYMENTS}\n\n## Lambdas\n\n| a | b |\n|---|---|\n| c | d |\n\n{LAMBDAS}\nEnd.\n"
QUERY = PAGE[: PAGE.index("| query-lambda ")].count("\n") + 1


def differing(page: str) -> list[str]:
    return [f"{one.line}: {one.message}" for one in tables.differences(page, tables.tables(CATALOGUE))]


def test_the_tables_are_those_of_sleepers_document_byte_for_byte() -> None:
    golden.check("sleeper-tables.md", f"{DEPLOYMENTS}\n{LAMBDAS}")


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
        ("| query-`<version-number>`.jar ", "| query.jar ", f"{QUERY}: query-lambda: Filename is 'query.jar',"),
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
