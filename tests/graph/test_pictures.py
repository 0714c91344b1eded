"""`doit graph` and `doit docs` as they are typed, on the project's own graph."""

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.graph.conftest import IMAGES, Graph

pytestmark = pytest.mark.graph


def test_the_graph_of_push_all_holds_four_tasks_of_each_image_and_what_they_share(graph: Graph) -> None:
    done = graph.doit("graph", "--json")
    assert (done.code, done.err) == (0, "")
    tasks = {task["name"]: task for task in json.loads(done.out)["tasks"]}
    ours = {f"{verb}:{image.name}" for verb in ("stage", "repository", "push") for image in IMAGES}
    assert ours | {"push_all", "builder", "login"} <= tasks.keys()
    assert tasks["push_all"]["after"] == [f"push:{image.name}" for image in IMAGES]
    assert tasks["push:ingest"]["state"] is None


def test_a_named_task_is_drawn_with_what_it_waits_for_alone(graph: Graph) -> None:
    text = graph.doit("graph", "push:ingest").out
    assert "push:ingest" in text
    assert "query-lambda" not in text


def test_a_pattern_draws_what_it_matches(graph: Graph) -> None:
    text = graph.doit("graph", "push:bulk-*").out
    assert text.count("  push:") == len([image for image in IMAGES if image.name.startswith("bulk-")])


def test_a_name_that_no_task_has_is_an_error_with_a_suggestion(graph: Graph) -> None:
    done = graph.doit("graph", "push:ingset")
    assert done.code == 3
    assert "did you mean 'push:ingest'?" in done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize(
    ("name", "beginning"), [("g.mmd", "flowchart LR\n"), ("g.dot", "digraph tasks {\n"), ("g.txt", "preflight\n")]
)
def test_the_files_suffix_says_the_format(graph: Graph, name: str, beginning: str) -> None:
    done = graph.given(DOITW_CWD=str(graph.root)).doit("graph", "push:ingest", "--output", name)
    assert (done.code, done.text) == (0, "")
    assert (graph.root / name).read_text().startswith(beginning)


def test_an_svg_is_whole_and_names_no_address_but_its_name_spaces(graph: Graph, tmp_path: Path) -> None:
    if shutil.which("dot") is None:
        pytest.skip("graphviz is not installed")
    (graph.root / "bin").mkdir(exist_ok=True)
    (graph.root / "bin" / "dot").symlink_to(str(shutil.which("dot")))
    path = tmp_path / "g.svg"
    assert graph.doit("graph", "-o", str(path)).code == 0
    ET.fromstring(path.read_text())  # noqa: S314  # What graphviz wrote of our text.
    addresses = {word.split('"')[0] for word in path.read_text().split('"') if "://" in word}
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_without_graphviz_an_svg_ends_with_what_to_install(graph: Graph) -> None:
    done = graph.doit("graph", "--format", "svg")
    assert done.code == 3
    assert "next: install graphviz" in done.text
    assert "Traceback" not in done.text


def test_the_graph_needs_no_network_and_no_slow_library(graph: Graph) -> None:
    assert not {"boto3", "urllib3", "docker"} & graph.imported("graph", "--format", "dot")


# The document's tables


def test_the_tables_that_are_printed_agree_with_themselves(graph: Graph) -> None:
    page = graph.root / "page.md"
    page.write_text("# Images\n\n" + graph.doit("docs").out)
    done = graph.doit("docs", "--check", str(page))
    assert (done.code, done.out) == (0, f"{page}: its tables agree with the catalogue\n")


def test_a_page_that_differs_fails_with_each_line(graph: Graph) -> None:
    page = graph.root / "page.md"
    page.write_text(graph.doit("docs").out.replace("| true          |", "| false         |", 1))
    done = graph.doit("docs", "--check", str(page))
    assert done.code == 1
    assert f"{page}:5: compaction-job-execution: Multiplatform is 'false', in the catalogue 'true'" in done.out


def test_programs_get_the_differences(graph: Graph) -> None:
    page = graph.root / "page.md"
    page.write_text("nothing\n")
    done = graph.doit("docs", "--json", "--check", str(page))
    assert done.code == 1
    assert [one["line"] for one in json.loads(done.out)["differences"]] == [None, None]


def test_programs_get_the_tables(graph: Graph) -> None:
    found = json.loads(graph.doit("docs", "--json").out)
    assert found["lambdas"][0] == {"jar": "athena-<version>.jar", "name": "athena-lambda", "always_docker": True}
    assert found["deployments"][4] == {"name": "statestore-committer", "stacks": [], "multiplatform": True}


def test_a_page_that_cannot_be_read_ends_the_command(graph: Graph) -> None:
    (graph.root / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere.md", "binary", "."):
        done = graph.given(DOITW_CWD=str(graph.root)).doit("docs", "--check", name)
        assert done.code == 3
        assert f"{name} cannot be read" in done.text
        assert "Traceback" not in done.text


# What needs a registry says so


@pytest.mark.parametrize("words", [("status",), ("digests",), ("digests", "--properties")])
def test_without_a_destination_the_command_ends_with_what_to_set(graph: Graph, words: tuple[str, ...]) -> None:
    done = graph.doit(*words)
    assert done.code == 3
    assert "INSTANCE_ID" in done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("words", [("status", "ingest"), ("docs", "ingest"), ("digests", "ingest")])
def test_a_word_that_a_command_has_no_use_for_is_refused(graph: Graph, words: tuple[str, ...]) -> None:
    done = graph.doit(*words)
    assert done.code == 3
    assert "takes no 'ingest'" in done.text


@pytest.mark.parametrize("words", [("status", "sandbox"), ("digests", "sandbox"), ("graph", "--plan", "sandbox")])
def test_a_sandbox_that_does_not_run_is_not_started(graph: Graph, words: tuple[str, ...]) -> None:
    done = graph.doit(*words)
    assert done.code == 3
    assert "doit sandbox" in done.text
    assert not (graph.root / "sandbox").exists()
