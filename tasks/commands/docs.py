"""`doit docs`: the two tables of Sleeper's document "Docker images deployed in Sleeper", written or checked.

    catalogue ─▶ tables ─▶ Markdown
    a page ─▶ found ─▶ its tables ─┐
    catalogue ─▶ tables ───────────┴▶ differences

The column headings, their order and the padding are the document's. docs/graph.md describes the output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tasks.commands.command import JSON, Reading, encoded, no_arguments, read, text_option
from tasks.graph.load import current
from tasks.model import VERSION_PLACEHOLDER, Catalogue, Kind

DIFFERS = 1
"""The exit code if a page differs from the catalogue."""

DOCUMENTS_PLACEHOLDER = "`<version-number>`"
"""The document's text for the version in a jar's file name."""

_RULE = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_DEPLOYMENTS = ("Deployment Name", "Optional Stack", "Multiplatform")
_LAMBDAS = ("Filename", "Image Name", "Always Docker deploy")


class Docs(Reading):
    """Prints the two tables of Sleeper's document, or compares a page's with the catalogue."""

    name = "docs"
    doc_purpose = "print the document's tables of images, or check a page's"
    doc_usage = "[--check FILE]"
    doc_description = (
        "Prints the two tables of 'Docker images deployed in Sleeper' from the catalogue. With --check, compares the "
        "tables of a Markdown file with it: exit code 0 if they agree, 1 if they differ. docs/graph.md describes both."
    )

    cmd_options = (
        text_option("check", "a Markdown file to compare with the catalogue"),
        JSON,
    )

    def _execute(self, check: str, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit passes its options by name.
        no_arguments(pos_args, self.name)
        catalogue = current().catalogue
        if not check:
            written = "\n\n".join(table.markdown() for table in tables(catalogue))
            self.say(encoded(as_object(catalogue)) if json else written)
            return 0
        differing = differences(read(check), tables(catalogue))
        if json:
            self.say(encoded({"differences": [{"line": one.line, "message": one.message} for one in differing]}))
        elif differing:
            lines = [f"{check}:{f'{one.line}:' if one.line else ''} {one.message}" for one in differing]
            self.say("\n".join([*lines, f"  next: replace the tables with the output of `doit {self.name}`\n"]))
        else:
            self.say(f"{check}: its tables agree with the catalogue\n")
        return DIFFERS if differing else 0


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: what it lists, for messages.
        key: which column names the image.
    """

    title: str
    headings: tuple[str, ...]
    key: int
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in Markdown, with cells padded to the width of their column."""
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
        rows: its rows, each with the number of its line.
    """

    headings: tuple[str, ...]
    line: int
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Difference:
    """A difference between a page and the catalogue.

    Attributes:
        line: the line of the page; None if a whole table is missing.
    """

    line: int | None
    message: str


def tables(catalogue: Catalogue) -> tuple[Table, Table]:
    """Return the document's tables, from the catalogue: the deployments, then the lambdas."""
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
    """Return the tables as JSON has them."""
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
    """Return the differences between the tables of a page and those wanted; padding does not count."""
    there = {table.headings: table for table in found(page)}
    differing: list[Difference] = []
    for table in wanted:
        if table.headings not in there:
            columns = " | ".join(table.headings)
            differing.append(Difference(None, f"the table of the {table.title} is missing ({columns})"))
        else:
            differing += _rows(there[table.headings], table)
    return differing


def _rows(page: Found, table: Table) -> Iterator[Difference]:
    wanted = {row[table.key]: row for row in table.rows}
    seen: list[str] = []
    for line, row in page.rows:
        name = row[table.key] if len(row) == len(table.headings) else ""
        if name in seen:
            yield Difference(line, f"{name} occurs twice")
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


def _truth(value: bool) -> str:  # noqa: FBT001  # The cell of a boolean column.
    return str(value).lower()


def _quoted(text: str) -> str:
    return repr(text) if text else "empty"
