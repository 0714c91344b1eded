"""What a command needs, and what it says where that is not there."""

import shutil

import pytest

from tests.graph.conftest import IMAGES, VERSION, Graph
from tests.graph.registry import holding_everything

pytestmark = pytest.mark.graph

SCREEN = 24
"""The lines of a terminal."""


def test_a_bare_doit_pushes_nothing_and_says_what_there_is_to_call(graph: Graph) -> None:
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit()
        assert registry.asked == []
    assert (done.code, done.err) == (0, "")
    for name in ("push_all", "build_all", "sandbox", "test", "lint"):
        assert f"  {name} " in done.out
    assert len(done.out.splitlines()) < SCREEN


def test_push_all_without_settings_says_in_one_screen_what_to_set(graph: Graph) -> None:
    done = graph.doit("push_all")
    assert done.code == 3
    assert "INSTANCE_ID is not set" in done.err
    assert "doit sandbox push_all" in done.err
    assert "Traceback" not in done.text
    assert len(done.text.splitlines()) < SCREEN


@pytest.mark.parametrize("words", ["plan", "status", "digests", "graph --plan"])
def test_a_command_that_asks_the_registry_says_at_once_all_that_it_has_to_be_told(graph: Graph, words: str) -> None:
    (graph.scripts / "templates" / "version.txt").unlink()
    done = graph.doit(*words.split())
    assert (done.code, done.out) == (3, "")
    assert "INSTANCE_ID is not set" in done.err
    assert "VERSION is not set" in done.err
    assert not [line for line in done.err.splitlines() if line != line.rstrip()]
    assert len(done.text.splitlines()) < SCREEN


def test_without_settings_nothing_but_the_sandbox_is_a_target(graph: Graph) -> None:
    """A job that forgot its INSTANCE_ID must fail, and not push to a sandbox that runs on the machine."""
    with holding_everything() as registry:
        port = str(registry.registry).rpartition(":")[2]
        assert graph.given(SANDBOX_REGISTRY_PORT=port).doit("push_all").code == 3
        assert registry.asked == []


@pytest.mark.parametrize("words", ["list", "list --all", "help", "help push_all", "settings", "list sandbox", ""])
def test_what_needs_no_scripts_directory_works_without_one(graph: Graph, words: str) -> None:
    shutil.rmtree(graph.scripts)
    done = graph.doit(*words.split())
    assert (done.code, done.err) == (0, "")


def test_the_projects_tests_need_no_scripts_directory(graph: Graph) -> None:
    shutil.rmtree(graph.scripts)
    done = graph.doit("test", "--", "--collect-only", "-q", "tests/system/test_text.py")
    assert done.code == 0, done.text
    assert "tests collected" in done.text


def test_a_scripts_directory_that_is_not_there_is_named_with_the_fix(graph: Graph) -> None:
    shutil.rmtree(graph.scripts)
    done = graph.given(INSTANCE_ID="mine").doit("push_all")
    assert done.code == 3
    assert f"SCRIPTS_DIR={graph.scripts} (environment variable SCRIPTS_DIR): no such directory" in done.err
    assert "Maven build" in done.err
    assert "SCRIPTS_DIR" in done.err
    assert len(done.text.splitlines()) < SCREEN


@pytest.mark.parametrize(
    ("removed", "failed"),
    [
        (f"jars/query-{VERSION}.jar", {"query-lambda"}),
        ("docker/ingest", {"ingest"}),
        ("docker/ingest/Dockerfile", {"ingest"}),
    ],
)
def test_what_is_missing_fails_its_own_images_alone_and_says_image_path_and_fix(
    graph: Graph, removed: str, failed: set[str]
) -> None:
    path = graph.scripts / removed
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit("push_all")
    assert done.code != 0
    blocks = [line.removeprefix("FAILED ").split()[0] for line in done.out.splitlines() if line.startswith("FAILED")]
    assert blocks == [f"push:{name}" for name in failed]
    assert str(path) in done.out
    assert "run the Maven build" in done.out
    assert "SCRIPTS_DIR" in done.out
    assert f"{len(IMAGES) - len(failed)} current" in done.out
    assert "Traceback" not in done.text


def test_a_directory_that_all_lambdas_share_fails_the_lambdas_alone(graph: Graph) -> None:
    shutil.rmtree(graph.scripts / "docker" / "lambda")
    with holding_everything() as registry:
        done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry)).doit("push_all")
    lambdas = sum(image.jar is not None for image in IMAGES)
    assert f"{len(IMAGES) - lambdas} current, {lambdas} failed" in done.out
    assert done.out.count("docker/lambda does not exist") == 1


def test_without_a_region_a_run_begins_with_what_is_known(graph: Graph) -> None:
    done = graph.given(INSTANCE_ID="mine", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x").doit("push_all")
    assert done.code != 0
    assert done.out.splitlines()[0] == f"sleeper-images → mine (registry not known)  version {VERSION}"
    assert done.out.count("no usable AWS Region") == 1


@pytest.mark.parametrize("task", ["build:ingest", "builder"])
def test_without_an_engine_a_build_says_so_and_what_to_do(graph: Graph, task: str) -> None:
    done = graph.doit(task)
    assert done.code != 0
    assert "docker" in done.text
    assert "next: " in done.text
    assert "Traceback" not in done.text


def test_a_registry_that_does_not_answer_is_one_fault_that_names_it(graph: Graph) -> None:
    done = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY="127.0.0.1:1").doit("push_all", "images=ingest,query-lambda")
    assert done.code != 0
    assert done.out.count("FAILED") == 1
    assert "127.0.0.1:1" in done.out.partition("FAILED")[2]
    assert "2 not run" in done.out
    assert "Traceback" not in done.text
    assert len(done.text.splitlines()) < SCREEN
