"""`doit docs`: the document's tables, written from the catalogue; and whether a page still agrees with it."""

from __future__ import annotations

from tasks.graph.composition import current
from tasks.graph.options import JSON, Reading, encoded, no_arguments, read, text_option
from tasks.views import tables

DIFFERS = 1
"""The exit code where a page differs from the catalogue."""


class Docs(Reading):
    """Prints the two tables of Sleeper's document, or compares a page's with the catalogue."""

    name = "docs"
    doc_purpose = "print the document's tables of images, or check a page's"
    doc_usage = "[--check FILE]"
    doc_description = (
        "Writes the two tables of 'Docker images deployed in Sleeper' from the catalogue. With --check, compares the "
        "tables in a Markdown file with it: exit code 0 where they agree, 1 where they differ. docs/graph.md says more."
    )

    cmd_options = (
        text_option("check", "a Markdown file whose tables have to be the catalogue's"),
        JSON,
    )

    def _execute(self, check: str, json: bool, pos_args: list[str]) -> int:  # noqa: FBT001  # doit hands over its options by their names.
        no_arguments(pos_args, self.name)
        catalogue = current().catalogue
        if not check:
            written = "\n\n".join(table.markdown() for table in tables.tables(catalogue))
            self.say(encoded(tables.as_object(catalogue)) if json else written)
            return 0
        differing = tables.differences(read(check), tables.tables(catalogue))
        if json:
            self.say(encoded({"differences": [{"line": one.line, "message": one.message} for one in differing]}))
        elif differing:
            lines = [f"{check}:{f'{one.line}:' if one.line else ''} {one.message}" for one in differing]
            self.say("\n".join([*lines, f"  next: replace the tables by what `doit {self.name}` prints\n"]))
        else:
            self.say(f"{check}: its tables are the catalogue's\n")
        return DIFFERS if differing else 0
