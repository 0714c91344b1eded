import pytest

from tests.graph.conftest import IMAGES, VERSION, Graph

pytestmark = pytest.mark.graph

NAMES = [image.name for image in IMAGES]
VERBS = ("stage", "repository", "push", "build")


def listed(text: str) -> dict[str, str]:
    """Return the sentence of each task by its name."""
    words = [line.split(maxsplit=1) for line in text.splitlines() if line]
    return {name: " ".join(rest) for name, *rest in words}


def files(text: str) -> dict[str, set[str]]:
    """Return the file dependencies of each task by its name, as `list --deps` prints them."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in filter(None, text.splitlines()):
        if line.startswith(" -  "):
            found[name].add(line.removeprefix(" -  "))
        else:
            name = line.split()[0]
            found[name] = set()
    return found


def test_list_shows_what_a_person_wants_to_call(graph: Graph) -> None:
    done = graph.doit("list")
    assert (done.code, done.err) == (0, "")
    assert list(listed(done.out)) == [
        "push_all", "build_all", "preflight", "stage", "repository", "builder", "login", "push", "build",
        "sandbox", "sandbox:stop", "test", "lint",
    ]  # fmt: skip


@pytest.mark.parametrize("words", [["list"], []], ids=["list", "bare"])
def test_what_there_is_to_call_fits_a_terminal_of_80_columns(graph: Graph, words: list[str]) -> None:
    assert [line for line in graph.doit(*words).out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("words", [["list"], ["list", "--all"]], ids=" ".join)
def test_every_task_has_a_sentence(graph: Graph, words: list[str]) -> None:
    for name, sentence in listed(graph.doit(*words).out).items():
        assert sentence[:1].isupper(), name
        assert sentence.endswith("."), name


def test_list_all_shows_each_verb_of_each_image_and_nothing_else_of_images(graph: Graph) -> None:
    found = [name for name in listed(graph.doit("list", "--all").out) if ":" in name and name != "sandbox:stop"]
    assert sorted(found) == sorted(f"{verb}:{name}" for verb in VERBS for name in NAMES)


def test_every_image_has_its_tasks_whatever_is_selected(graph: Graph) -> None:
    done = graph.doit("list", "--all", "push", "stacks=IngestStack", "images=ingest")
    assert set(listed(done.out)) == {"push", *(f"push:{name}" for name in NAMES)}


@pytest.mark.parametrize("verb", ["stage", "push", "build"])
def test_file_dependencies_are_the_jar_the_version_and_the_files_of_the_directory(graph: Graph, verb: str) -> None:
    (graph.scripts / "docker" / "ingest" / "conf").mkdir()
    (graph.scripts / "docker" / "ingest" / "conf" / "log4j.xml").write_text("<x/>")
    found = files(graph.doit("list", "--all", "--deps", verb).out)
    below = {name: {path.removeprefix(f"{graph.scripts}/") for path in paths} for name, paths in found.items()}
    assert below.pop(verb) == set()
    assert set(below) == {f"{verb}:{name}" for name in NAMES}
    for image in IMAGES:
        own = (
            f"docker/{image.directory}/{image.directory}.jar"
            if image.jar is None
            else f"jars/{image.jar_name(VERSION)}"
        )
        expected = {own, f"docker/{image.directory}/Dockerfile", "templates/version.txt"}
        expected |= {"docker/ingest/conf/log4j.xml"} if image.name == "ingest" else set()
        assert below[f"{verb}:{image.name}"] == expected


def test_list_takes_patterns(graph: Graph) -> None:
    assert list(listed(graph.doit("list", "push:ingest*").out)) == [
        f"push:{name}" for name in NAMES if name.startswith("ingest")
    ]


def test_info_shows_a_task_its_files_and_what_comes_before(graph: Graph) -> None:
    done = graph.doit("info", "push:query-lambda")
    assert "Build and push query-lambda" in done.out
    for line in (
        f" - {graph.scripts}/jars/query-{VERSION}.jar",
        f" - {graph.scripts}/docker/lambda/Dockerfile",
        f" - {graph.scripts}/templates/version.txt",
        " - stage:query-lambda",
        " - repository:query-lambda",
        " - builder",
        " - login",
    ):
        assert line in done.out.splitlines()


def test_info_says_why_in_words(graph: Graph) -> None:
    done = graph.doit("info", "push:query-lambda")
    assert done.code == 1
    assert "INSTANCE_ID is not set" in done.out
    assert "function" not in done.out


@pytest.mark.parametrize(
    ("words", "selected"),
    [
        ([], set(NAMES)),
        (
            ["stacks=IngestStack,CompactionStack", "lambda_deploy_type=jar"],
            {"ingest", "compaction-job-execution", "statestore-committer"},
        ),
        (["STACKS=ingeststack", "LAMBDA_DEPLOY_TYPE=JAR"], {"ingest", "statestore-committer"}),
        (["stacks=none", "lambda_deploy_type=jar"], {"statestore-committer"}),
        (["stacks=QueryStack", "lambda_deploy_type=jar"], {"query-lambda", "statestore-committer"}),
        (["images=ingest*,query-lambda"], {"query-lambda"} | {name for name in NAMES if name.startswith("ingest")}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("group", ["push", "build"])
def test_the_selection_chooses_the_members_of_the_groups(
    graph: Graph, group: str, words: list[str], selected: set[str]
) -> None:
    done = graph.doit("info", "--no-status", f"{group}_all", *words)
    members = {line.removeprefix(" - ") for line in done.out.splitlines() if line.startswith(" - ")}
    assert members == {f"{group}:{name}" for name in selected}


def test_the_environment_selects_too(graph: Graph) -> None:
    done = graph.given(IMAGES="ingest").doit("info", "--no-status", "push_all")
    assert [line for line in done.out.splitlines() if line.startswith(" - ")] == [" - push:ingest"]


def test_a_catalogue_of_ones_own_gives_the_tasks(graph: Graph) -> None:
    own = graph.root / "own.yaml"
    own.write_text("schema: 1\nstacks: []\ndeployments:\n- {name: mine}\n")
    assert list(listed(graph.doit("list", "--all", "push", f"catalogue={own}").out)) == ["push", "push:mine"]


def test_the_sandbox_comes_before_everything_that_builds_where_it_is_the_target(graph: Graph) -> None:
    for task in ("stage:ingest", "repository:ingest", "builder", "login"):
        assert " - sandbox" in graph.doit("info", "--no-status", task, "target=sandbox").out.splitlines()
        assert " - sandbox" not in graph.doit("info", "--no-status", task).out.splitlines()
