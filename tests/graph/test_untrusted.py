"""Names that anybody may have written, through the real doit: refused in a line, or passed on whole.

A docker on PATH writes down each of its arguments; a registry on loopback holds nothing and takes everything.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.configuration import catalogue
from tasks.errors import CatalogueError
from tests.graph.conftest import Done, Graph
from tests.registry.server import Answer, Asked, Server, serving

pytestmark = pytest.mark.graph

HOSTILE = {
    "a dash": "-rf",
    "an option": "--output=type=local,dest=/",
    "a space": "a b",
    "a line break": "a\nb",
    "a carriage return": "a\rb",
    "a quote": "a'b",
    "two quotes": 'a"b',
    "a command": "$(touch pwned)",
    "another command": "`touch pwned`",
    "a third": "a;touch pwned",
    "a variable": "${HOME}",
    "absolute": "/etc/passwd",
    "climbing": "../../etc",
    "climbing within": "a/../../b",
    "a backslash": "a\\b",
    "a terminal's": "a\x1b[2Jb",
    "zero": "a\0b",
    "right to left": "a\u202eb",
    "long": "a" * 5000,
    "empty": "",
    "comma": "a,push=true",
}

DOCKER = """#!/bin/sh
for word; do printf '%s\\037' "$word" >> {calls}; done
printf '\\036' >> {calls}
case "$1 $2" in
    "version "*) echo 28.0 ;;
    "buildx version") echo github.com/docker/buildx v0.20.0 x ;;
    "info "*) echo '[["driver-type","io.containerd.snapshotter.v1"]]' ;;
    "context show") /bin/grep -so sleeper-images-sees "$DOCKER_CONFIG/config.json" || echo default ;;
    "buildx build") echo refused >&2; exit 1 ;;
esac
"""


@pytest.fixture
def registry() -> Iterator[Server]:
    """A registry that holds nothing, and into which everything may be pushed."""

    def answer(asked: Asked) -> Answer:
        if asked.target == "/v2/":
            return Answer()
        return Answer(202, {"Location": asked.target + "1"}) if asked.method == "POST" else Answer(404)

    with serving(answer) as server:
        yield server


@pytest.fixture
def user(graph: Graph, registry: Server) -> Graph:
    """A user who could push."""
    (graph.root / "bin").mkdir()
    docker = graph.root / "bin" / "docker"
    docker.write_text(DOCKER.format(calls=graph.root / "calls"))
    docker.chmod(0o755)
    return graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry), BUILDER_DRIVER="docker")


def builds(user: Graph) -> list[list[str]]:
    """The arguments of each build, whole."""
    calls = (user.root / "calls").read_bytes().decode() if (user.root / "calls").exists() else ""
    found = (call.split("\x1f")[:-1] for call in calls.split("\x1e"))
    return [words for words in found if words[:2] == ["buildx", "build"] and words[-1] != "-"]


def check_refused(done: Done, user: Graph) -> None:
    """The error has few short lines, and nothing has run."""
    assert done.code == 3, done.text
    check_text(done.text)
    assert not (user.root / "calls").exists()
    check_unharmed(user)


def check_text(text: str) -> None:
    """It is a few short lines, and nothing in it moves a cursor."""
    assert "Traceback" not in text
    assert text.replace("\n", "").isprintable()
    assert len(text.splitlines()) <= 8, text
    assert max(map(len, text.splitlines())) < 600


def check_unharmed(user: Graph) -> None:
    for folder in (user.root, Path(__file__).resolve().parents[2]):
        assert not list(folder.rglob("pwned")) if folder == user.root else not (folder / "pwned").exists()


PLACES: dict[str, Callable[[str], dict[str, object]]] = {
    "name": lambda text: {"deployments": [{"name": text}]},
    "directory": lambda text: {"deployments": [{"name": "a", "directory": text}]},
    "jar": lambda text: {"lambdas": [{"name": "a", "jar": f"{text}<version>.jar"}]},
    "stack": lambda text: {"deployments": [{"name": "a", "stacks": [text]}]},
    "build argument": lambda text: {"deployments": [{"name": "a", "build_args": {text: "1"}}]},
    "key": lambda text: {"deployments": [{"name": "a", text: "1"}]},
    "platform": lambda text: {"platforms": [text]},
    "builder": lambda text: {"builder": {"name": text}},
    "driver": lambda text: {"builder": {"name": "b", "driver": text}},
    "driver option": lambda text: {"builder": {"name": "b", "options": {text: "1"}}},
    "endpoint": lambda text: {"builder": {"name": "b", "endpoint": text}},
}
ALLOWED = {
    ("jar", "empty"),
    *(("endpoint", name) for name, text in HOSTILE.items() if text.isprintable() and re.fullmatch(r"[^-\s]\S*", text)),
    ("builder", "long"),
}  # fmt: skip
"""Names like any other; none of them is an argument of its own, or leads out of a directory."""


def describe(user: Graph, catalogue: dict[str, object]) -> Graph:
    """Give the user a catalogue; JSON is YAML."""
    path = user.root / "catalogue.yaml"
    path.write_text(json.dumps({"schema": 1, "stacks": ["IngestStack"], "deployments": [], **catalogue}))
    return user.given(CATALOGUE=str(path))


@pytest.mark.parametrize("hostile", ["an option", "a line break", "a command", "climbing", "a terminal's"])
@pytest.mark.parametrize("place", PLACES)
def test_a_name_in_the_catalogue_is_refused(user: Graph, place: str, hostile: str) -> None:
    if (place, hostile) in ALLOWED:
        return
    done = describe(user, PLACES[place](HOSTILE[hostile])).doit("list")
    check_refused(done, user)
    assert "catalogue.yaml:1: " in done.text


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_every_such_name_is_refused_where_catalogues_are_read(user: Graph, place: str, hostile: str) -> None:
    described = describe(user, PLACES[place](HOSTILE[hostile]))
    try:
        catalogue.load(Path(described.variables["CATALOGUE"]))
    except CatalogueError as error:
        check_text(str(error))
        assert (place, hostile) not in ALLOWED
    else:
        assert (place, hostile) in ALLOWED


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_build_arguments_value_is_one_word_of_the_command_or_refused(user: Graph, hostile: str) -> None:
    value = HOSTILE[hostile]
    changed = describe(user, {"deployments": [{"name": "ingest", "build_args": {"NAME": value}}]})
    done = changed.doit("push_all")
    if not value.isprintable():
        check_refused(done, user)
        return
    (argv,) = builds(user)
    assert [word for word in argv if word.startswith("--build-arg")] == [f"--build-arg=NAME={value}"]
    assert argv[-1].startswith(str(user.state / "contexts" / "ingest-"))
    check_unharmed(user)


SETTINGS = ("INSTANCE_ID", "ACCOUNT", "REGION", "DOCKER_REGISTRY", "REPO_PREFIX", "REGISTRY", "VERSION", "STACKS",
            "LAMBDA_DEPLOY_TYPE", "PLATFORM", "IMAGES", "BUILDER", "BUILDER_DRIVER", "PARALLEL")  # fmt: skip
FEW = ["an option", "a line break", "a command", "climbing", "a terminal's", "long"]


@pytest.mark.parametrize("hostile", FEW)
@pytest.mark.parametrize("variable", SETTINGS)
def test_a_setting_is_refused(user: Graph, variable: str, hostile: str) -> None:
    if (variable, hostile) != ("BUILDER", "long"):
        check_refused(user.given(**{variable: HOSTILE[hostile]}).doit("push_all"), user)


@pytest.mark.parametrize("hostile", [*FEW, "zero"])
@pytest.mark.parametrize("key", ["sleeper.id", "sleeper.account", "sleeper.region", "sleeper.ecr.repository.prefix"])
def test_a_property_is_refused(user: Graph, key: str, hostile: str) -> None:
    path = user.root / "instance.properties"
    escaped = "".join(f"\\u{ord(character):04x}" for character in HOSTILE[hostile])
    path.write_text(f"{key}={escaped}\n")
    variables = {name: text for name, text in user.variables.items() if name not in {"INSTANCE_ID", "DOCKER_REGISTRY"}}
    done = Graph(user.root, {**variables, "INSTANCE_PROPERTIES": str(path)}).doit("push_all")
    check_refused(done, user)


@pytest.mark.parametrize("hostile", [name for name in FEW if name != "a line break"])
def test_a_version_file_is_refused(user: Graph, hostile: str) -> None:
    """But for a line break: only the first line counts."""
    (user.scripts / "templates" / "version.txt").write_text(HOSTILE[hostile])
    check_refused(user.doit("push_all"), user)


NAMES = [name for name, text in HOSTILE.items() if text and "/" not in text and "\0" not in text and len(text) < 255]


@pytest.fixture
def all_names(user: Graph) -> set[str]:
    """Files of each such name in one build directory."""
    names = {HOSTILE[hostile] for hostile in NAMES}
    for name in names:
        (user.scripts / "docker" / "ingest" / name).write_text("content")
    return names


def test_files_of_any_name_are_part_of_the_context_and_of_no_command(user: Graph, all_names: set[str]) -> None:
    done = user.doit("push:ingest")
    (argv,) = builds(user)
    assert "Traceback" not in done.text
    assert not [word for word in argv[2:] for name in all_names - {"-rf"} if name in word]
    assert {name for name in all_names if (Path(argv[-1]) / name).read_text() == "content"} == all_names
    check_unharmed(user)


@pytest.mark.usefixtures("all_names")
@pytest.mark.parametrize("words", ["plan", "why ingest", "info push:ingest", "list --deps push"])
def test_files_of_any_name_move_nobodys_cursor(user: Graph, words: str) -> None:
    done = user.doit(*words.split())
    assert "Traceback" not in done.text
    assert done.text.replace("\n", "").isprintable()


@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xed\xa0\x80"])
def test_a_file_whose_name_is_no_text_is_refused(user: Graph, name: bytes) -> None:
    (user.scripts / "docker" / "ingest" / os.fsdecode(name)).write_text("content")
    done = user.doit("push:ingest")
    assert done.code != 0
    assert "Traceback" not in done.text
    assert "not UTF-8" in done.text
    assert builds(user) == []


@pytest.mark.parametrize("hostile", NAMES)
def test_a_place_of_any_name_is_one_word_of_the_command(user: Graph, hostile: str) -> None:
    place = user.root / "places" / HOSTILE[hostile]
    if not HOSTILE[hostile].isprintable():
        check_refused(user.given(SCRIPTS_DIR=str(place)).doit("push:ingest"), user)
        return
    place.mkdir(parents=True)
    shutil.move(user.scripts, place / "scripts")
    moved = user.given(SCRIPTS_DIR=str(place / "scripts"), STATE_DIR=str(place / "state"))
    done = moved.doit("push:ingest")
    assert "Traceback" not in done.text
    assert "refused" in done.text
    (argv,) = builds(user)
    assert argv[-1].startswith(f"{place}/state/contexts/ingest-")
    assert [word for word in argv if word.startswith("--metadata-file=")] == [
        f"--metadata-file={place}/state/logs/push-ingest.json"
    ]
    check_unharmed(user)


@pytest.mark.parametrize("hostile", FEW)
def test_a_version_on_the_command_line_never_leads_to_another_jar(user: Graph, hostile: str) -> None:
    check_refused(user.doit("push_all", f"version={HOSTILE[hostile]}"), user)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "../../jars"])
def test_a_link_is_staged_as_a_link_wherever_it_leads(user: Graph, target: str) -> None:
    (user.root / "outside").write_text("secret")
    (user.scripts / "docker" / "ingest" / "link").symlink_to(target)
    user.doit("push:ingest")
    (argv,) = builds(user)
    staged = Path(argv[-1]) / "link"
    assert staged.is_symlink()
    assert str(staged.readlink()) == target


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_dockerfile_that_links_out_of_its_directory_reveals_nothing_of_the_target(user: Graph, name: str) -> None:
    (user.root / "outside").write_text("SECRET line\n")
    path = user.scripts / "docker" / "ingest" / name
    path.unlink(missing_ok=True)
    path.symlink_to("../../../outside")
    done = user.doit("push:ingest")
    assert "SECRET" not in done.text
    assert "Traceback" not in done.text


@pytest.mark.parametrize("hostile", FEW)
def test_a_task_of_no_such_name_is_refused(user: Graph, hostile: str) -> None:
    done = user.doit("push:" + HOSTILE[hostile])
    check_refused(done, user)
