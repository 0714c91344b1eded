"""The two tables of Sleeper's document "Docker images deployed in Sleeper", written from the catalogue and read back.

    catalogue ─▶ tables ─▶ Markdown
    a page ─▶ found ─▶ its tables ─┐
    catalogue ─▶ tables ───────────┴▶ differences

Pure. The column headings, their order and the padding are the document's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.model import VERSION_PLACEHOLDER, Catalogue, Kind

DOCUMENTS_PLACEHOLDER = "`<version-number>`"
"""How the document writes the version in a jar's file name."""

_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_DEPLOYMENTS = ("Deployment Name", "Optional Stack", "Multiplatform")
_LAMBDAS = ("Filename", "Image Name", "Always Docker deploy")


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: what it lists, for messages.
        headings: the names of its columns.
        key: which column names the image.
        rows: its rows, each of as many cells as there are headings.
    """

    title: str
    headings: tuple[str, ...]
    key: int
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table as the document has it: cells padded to their column."""
        lines = (self.headings, *self.rows)
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headings))]
        written = [_line(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([written[0], rule, *written[1:]]) + "\n"


@dataclass(frozen=True)
class Found:
    """A table in a page.

    Attributes:
        headings: the cells of its first line.
        line: the number of its first line.
        rows: its rows with the number of each one's line.
    """

    headings: tuple[str, ...]
    line: int
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Difference:
    """What a page says otherwise than the catalogue.

    Attributes:
        line: the line of the page; None where a whole table is missing.
        message: what differs.
    """

    line: int | None
    message: str


def tables(catalogue: Catalogue) -> tuple[Table, Table]:
    """Return the document's tables as the catalogue has them: the deployments, then the lambdas."""
    deployments = [image for image in catalogue.images if image.kind is Kind.DEPLOYMENT]
    lambdas = [image for image in catalogue.images if image.kind is Kind.LAMBDA]
    return (
        Table(
            "deployments",
            _DEPLOYMENTS,
            0,
            tuple((image.name, ", ".join(image.stacks), _truth(image.multiplatform)) for image in deployments),
        ),
        Table(
            "lambdas",
            _LAMBDAS,
            1,
            tuple((_filename(image.jar or ""), image.name, _truth(image.always_docker)) for image in lambdas),
        ),
    )


def as_object(catalogue: Catalogue) -> dict[str, Any]:
    """Return what the tables say, for programs."""
    return {
        "deployments": [
            {"name": image.name, "stacks": list(image.stacks), "multiplatform": image.multiplatform}
            for image in catalogue.images
            if image.kind is Kind.DEPLOYMENT
        ],
        "lambdas": [
            {"jar": image.jar, "name": image.name, "always_docker": image.always_docker}
            for image in catalogue.images
            if image.kind is Kind.LAMBDA
        ],
    }


def found(page: str) -> Iterator[Found]:
    """Yield every table of a Markdown page that has a rule below its first line."""
    lines = page.splitlines()
    for number, rule in enumerate(lines[1:], 2):
        if _RULE.fullmatch(rule.strip()) and lines[number - 2].strip().startswith("|"):
            rows = []
            for later, line in enumerate(lines[number:], number + 1):
                if not line.strip().startswith("|"):
                    break
                rows.append((later, _cells(line)))
            yield Found(_cells(lines[number - 2]), number - 1, tuple(rows))


def differences(page: str, wanted: Iterable[Table]) -> list[Difference]:
    """Return what the tables of a page say otherwise than those wanted; padding does not count."""
    there = {table.headings: table for table in found(page)}
    differing: list[Difference] = []
    for table in wanted:
        if table.headings not in there:
            columns = " | ".join(table.headings)
            differing.append(Difference(None, f"there is no table of the {table.title} ({columns})"))
        else:
            differing += _rows(there[table.headings], table)
    return differing


def _rows(page: Found, table: Table) -> Iterator[Difference]:
    wanted = {row[table.key]: row for row in table.rows}
    seen: list[str] = []
    for line, row in page.rows:
        name = row[table.key] if len(row) == len(table.headings) else ""
        if name in seen:
            yield Difference(line, f"{name} is there twice")
            continue
        if name not in wanted:
            yield Difference(line, f"{name or ' | '.join(row)} is not among the catalogue's {table.title}")
            continue
        seen.append(name)
        for heading, says, should in zip(table.headings, row, wanted[name], strict=True):
            if says != should:
                yield Difference(line, f"{name}: {heading} is {_quoted(says)}, in the catalogue {_quoted(should)}")
    for name in wanted:
        if name not in seen:
            yield Difference(page.line, f"{name} is missing from the {table.title}")
    if seen != [name for name in wanted if name in seen]:
        yield Difference(page.line, f"the {table.title} are in another order than in the catalogue")


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|"))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _filename(jar: str) -> str:
    return jar.replace(VERSION_PLACEHOLDER, DOCUMENTS_PLACEHOLDER)


def _truth(value: bool) -> str:  # noqa: FBT001  # The cell of a column of booleans.
    return str(value).lower()


def _quoted(text: str) -> str:
    return repr(text) if text else "empty"
