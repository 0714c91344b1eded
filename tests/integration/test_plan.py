"""A plan tells the truth: what it says of each row of the table is what the run then does."""

from __future__ import annotations

import inspect
import itertools
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from tasks.engine.buildx import BUILDING
from tasks.image.fingerprint import Inputs
from tasks.reference import Registry, Repository
from tasks.registry import record
from tasks.registry.model import IMAGE_TYPES
from tests import trees
from tests.integration import test_only_what_changed as table
from tests.integration.images import client
from tests.integration.project import Project, Run, Tags
from tests.integration.test_only_what_changed import LAMBDAS, VERSION, pushed  # noqa: F401  # A fixture.

pytestmark = pytest.mark.integration

DAILY = {
    *("nothing_changed", "one_class_edited_in_one_lambdas_jar", "a_file_edited_that_all_lambdas_share"),
    *("a_version_tag_deleted_in_the_registry", "a_repository_emptied", "another_version_of_the_same_contents"),
    *("a_run_that_is_killed_goes_on_where_it_was", "a_forced_run_builds_what_is_asked_for_though_it_is_current"),
}
"""The rows whose plans differ in kind; the others are planned each night."""

ROWS: list[Callable[[Project], None]] = [
    row
    for name, row in vars(table).items()
    if name.startswith("test_") and list(inspect.signature(row).parameters) == ["project"]
]

_instances = itertools.count()


@dataclass(frozen=True)
class Foretelling(Project):
    """A project in which each `push_all` is planned first, and does what the plan says."""

    def push_all(self, *words: str) -> Run:
        """Plan, run, compare."""
        found = self.plan(*words)
        states = {one["image"]: one["state"] for one in found["images"]}
        done = super().push_all(*words)
        assert {name for name, state in states.items() if state == "build"} == done.built
        assert {name for name, state in states.items() if state in {"build", "retag"}} == done.pushed
        return done

    def plan(self, *words: str) -> dict[str, Any]:
        """Return what `plan` says, which must change nothing."""
        planned = self.run("plan", "--json", *words)
        assert planned.code == 0, planned.output
        assert planned.commands == []
        # A build whose run was killed may still be on its way to the tag that builds are pushed to.
        assert _without_building(planned.before) == _without_building(planned.after)
        found: dict[str, Any] = json.loads(planned.output)
        return found

    def reason(self, image: str) -> str:
        """Return the reason that the plan has for one image."""
        (found,) = [one for one in self.plan(f"images={image}")["images"] if one["image"] == image]
        return str(found["reason"])

    def repository(self, image: str) -> Repository:
        return Repository(Registry(self.sandbox.docker_registry), f"{self.instance}/{image}")


def _without_building(tags: Tags) -> Tags:
    return {
        name: kept for name, held in tags.items() if (kept := {tag: on for tag, on in held.items() if tag != BUILDING})
    }


@pytest.fixture
def project(pushed: Project, tmp_path: Path) -> Foretelling:  # noqa: F811  # The fixture.
    copied = pushed.copy(tmp_path, f"foretold-{next(_instances)}")
    return Foretelling(**{field.name: getattr(copied, field.name) for field in fields(copied)})


def _row(row: Callable[[Project], None]) -> ParameterSet:
    name = row.__name__.removeprefix("test_")
    return pytest.param(row, id=name, marks=[] if name in DAILY else pytest.mark.nightly)


@pytest.mark.parametrize("row", [_row(row) for row in ROWS])
def test_a_run_does_what_its_plan_says(row: Callable[[Project], None], project: Foretelling) -> None:
    row(project)


def test_every_row_of_the_table_is_foretold() -> None:
    assert len(ROWS) >= 20
    assert {f"test_{name}" for name in DAILY} <= {row.__name__ for row in ROWS}


def test_an_edited_class_is_named_on_a_clone_that_never_built_it(project: Foretelling) -> None:
    edited = trees.rewrite(project.scripts / "jars" / f"query-{VERSION}.jar", edited=True)
    shutil.rmtree(project.state)
    why = project.run("why", "query-lambda")
    assert why.code == 0
    assert f"query-{VERSION}.jar: 1 entry changed" in why.output
    assert f"~ {edited}  " in why.output


def test_the_plan_names_what_changed_on_a_clone_that_never_built_it(project: Foretelling) -> None:
    edited = trees.rewrite(project.scripts / "jars" / f"query-{VERSION}.jar", edited=True)
    (project.scripts / "docker" / "ingest" / "Dockerfile").write_text("FROM scratch\nCOPY ingest.jar /x.jar\n")
    shutil.rmtree(project.state)
    assert project.reason("query-lambda") == f"query-{VERSION}.jar: 1 entry changed: {edited}"
    assert project.reason("ingest") == "docker/ingest/Dockerfile changed"


def test_a_record_stays_with_the_image_under_another_version(project: Foretelling) -> None:
    for jar in (project.scripts / "jars").iterdir():
        jar.rename(jar.with_name(jar.name.replace(VERSION, "0.37.0")))
    (project.scripts / "templates" / "version.txt").write_text("0.37.0\n")
    project.push_all("images=query-lambda")
    edited = trees.rewrite(project.scripts / "jars" / "query-0.37.0.jar", edited=True)
    assert project.reason("query-lambda") == f"query-0.37.0.jar: 1 entry changed: {edited}"


def test_a_shared_file_is_named_for_every_lambda(project: Foretelling) -> None:
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").chmod(0o755)
    reasons = {one["image"]: one["reason"] for one in project.plan()["images"] if one["state"] == "build"}
    assert reasons == dict.fromkeys(LAMBDAS, "docker/lambda/entrypoint.sh became executable")


NOTHING = Inputs("", (), (), (), attestations=False, revision="", bases=())


def test_every_image_has_a_record_and_is_an_image_still(project: Foretelling) -> None:
    asked = client(project.sandbox.docker_registry)
    for name in LAMBDAS:
        repository = project.repository(name)
        held = asked.head(repository, VERSION)
        assert held is not None
        assert held.media_type in IMAGE_TYPES
        found = record.read(asked, repository, held.digest, NOTHING)
        assert found is not None
        assert [tag for tag in project.tags()[name] if tag == f"inputs-{found.inputs.fingerprint()}"]


def test_the_exit_code_says_whether_there_is_something_to_do(project: Foretelling) -> None:
    assert project.run("plan", "--exit-code").code == 0
    project.delete_tag("ingest", VERSION)
    assert project.run("plan", "push:ingest", "--exit-code").code == 4
    assert project.run("plan", "push:query-lambda", "--exit-code").code == 0
    (project.scripts / "docker" / "ingest" / "Dockerfile").unlink()
    assert project.run("plan", "--exit-code").code == 5


def test_a_plan_of_some_tasks_is_of_those_images_alone(project: Foretelling) -> None:
    planned = project.run("plan", "--json", "push:query*", "push:ingest")
    assert [one["image"] for one in json.loads(planned.output)["images"]] == ["ingest", "query-lambda"]


def test_a_plan_waits_for_nobody(project: Foretelling) -> None:
    (project.scripts / "docker" / "lambda" / "entrypoint.sh").chmod(0o755)
    second = project.root / "second"
    project.before_each_build(f"{sys.executable} -m doit plan --exit-code > {second} 2>&1; echo $? >> {second}")
    project.push_all("images=query-lambda")
    assert second.read_text().splitlines()[-1] == "4", second.read_text()
