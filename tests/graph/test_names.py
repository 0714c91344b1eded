import pytest

from tests.graph.conftest import Graph

pytestmark = pytest.mark.graph

TASKS = [
    (["push_al"], "unknown task or command 'push_al'; did you mean 'push_all'?"),
    (["push:query-lamda"], "unknown task or command 'push:query-lamda'; did you mean 'push:query-lambda'?"),
    (["push_all", "buildr"], "unknown task or command 'buildr'; did you mean 'builder'?"),
    (["push:*-lamda"], "no task matches 'push:*-lamda'"),
    (["run", "push:ingset"], "unknown task or command 'push:ingset'; did you mean 'push:ingest'?"),
    (["list", "push"], None),
    (["list", "puhs"], "unknown task 'puhs'; did you mean 'push'?"),
    (["list", "puhs:*"], "no task matches 'puhs:*'"),
    (["info", "push:ingset"], "unknown task 'push:ingset'; did you mean 'push:ingest'?"),
    (["info"], "must select *one* task"),
    (["clean", "buidler"], "unknown task 'buidler'; did you mean 'builder'?"),
    (["clean", "zz*"], "no task matches 'zz*'"),
    (["plan", "--exitcode"], "plan: option --exitcode not recognized; did you mean '--exit-code'?"),
    (["why", "ingset"], "unknown image 'ingset'; did you mean 'ingest'?"),
    (["why", "ingest", "query-lambda"], "why takes the name of one image"),
    (["settings", "instance"], "settings takes no 'instance'"),
    (["digests", "--check="], "digests: option --check has an empty value"),
]

SETTINGS = [
    ("stak=IngestStack", "unknown variable 'stak'; did you mean 'stacks'?"),
    ("instanceid=mine", "unknown variable 'instanceid'; did you mean 'instance_id'?"),
    ("stacks=IngestStak", "unknown stack 'IngestStak'; did you mean 'IngestStack'?"),
    ("images=ingst", "no image is named 'ingst'; did you mean 'ingest'?"),
    ("images=*-lamda", "no image matches '*-lamda'"),
    ("lambda_deploy_type=zip", "LAMBDA_DEPLOY_TYPE='zip' (command line)"),
    ("platform=amd64", "PLATFORM='amd64' (command line)"),
]


@pytest.mark.parametrize(("words", "said"), [case for case in TASKS if case[1]], ids=" ".join)
def test_a_name_that_no_task_has_is_an_error_with_a_suggestion(graph: Graph, words: list[str], said: str) -> None:
    done = graph.doit(*words)
    assert done.code == 3
    assert said in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


@pytest.mark.parametrize("command", ["push_all", "list", "clean"])
@pytest.mark.parametrize(("variable", "said"), SETTINGS)
def test_a_wrong_variable_is_an_error_with_a_suggestion(graph: Graph, command: str, variable: str, said: str) -> None:
    done = graph.doit(*command.split(), variable)
    assert done.code == 3
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_wrong_stack_in_the_environment_is_found_too(graph: Graph) -> None:
    done = graph.given(STACKS="IngestStack,CompactoinStack").doit("list")
    assert done.code == 3
    assert "did you mean 'CompactionStack'?" in done.err


def test_a_fault_of_the_catalogue_names_file_and_line(graph: Graph) -> None:
    own = graph.root / "own.yaml"
    own.write_text("schema: 1\nstacks: []\ndeployments:\n- {nam: mine}\n")
    done = graph.doit("list", f"catalogue={own}")
    assert done.code == 3
    assert f"{own}:4:" in done.err
    assert "did you mean 'name'?" in done.err
    assert "Traceback" not in done.err


def test_no_command_line_leaves_a_state_behind_that_names_a_wrong_task(graph: Graph) -> None:
    graph.doit("push_al")
    assert not (graph.state / "lock").exists()


@pytest.mark.parametrize("words", [["plan"], ["why", "ingest"], ["status"], ["digests"], ["settings"]], ids=" ".join)
def test_the_word_sandbox_makes_it_what_a_command_asks(graph: Graph, words: list[str]) -> None:
    done = graph.doit(*words, "sandbox")
    if words == ["settings"]:
        assert "the sandbox" in done.out
    else:
        assert (done.code, done.err.splitlines()[0]) == (3, "ERROR: the sandbox is not started")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_a_command_tells_its_options_to_whoever_asks_it(graph: Graph, option: str) -> None:
    done = graph.doit("plan", option)
    assert (done.code, done.err) == (0, "")
    assert "--exit-code" in done.out
