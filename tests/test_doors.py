"""One module talks to each part of the world, and none to a shell; as the source says it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for path in (ROOT / "dodo.py", *sorted((ROOT / "tasks").rglob("*.py")), *sorted((ROOT / "sandbox").rglob("*.py")))
}

DOORS = {
    "subprocess": {"tasks/run.py"},
    "boto3": {"tasks/registry/ecr.py"},
    "botocore": {"tasks/registry/ecr.py"},
    "urllib3": {"tasks/registry/http.py"},
    "yaml": {"tasks/configuration/catalogue.py"},
    # For Docker's own credentials.
    "docker": {"tasks/registry/auth.py"},
    # The sandbox asks its own servers on loopback whether they answer.
    "http.client": {"sandbox/loopback.py", "sandbox/private.py"},
    "requests": set[str](),
    "pickle": set[str](),
    "marshal": set[str](),
    "pty": set[str](),
}
"""By package, the modules that may import it."""

RUNS_SOMETHING = {"posix_spawn", "posix_spawnp", "system", "popen", "fork", "forkpty", "startfile"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("package", DOORS)
def test_a_package_is_imported_by_its_door_alone(package: str) -> None:
    found = {
        path
        for path, tree in SOURCES.items()
        if any(name == package or name.startswith(f"{package}.") for name in imports(tree))
    }
    assert found == DOORS[package]


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_is_given_to_a_shell(path: str) -> None:
    for call in calls(SOURCES[path]):
        assert "shell" not in {keyword.arg for keyword in call.keywords}, f"{path}:{call.lineno}"


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_is_run_but_through_the_one_door(path: str) -> None:
    used = {
        call.func.attr
        for call in calls(SOURCES[path])
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "os"
    }
    run = {name for name in used if name in RUNS_SOMETHING or name.startswith(("exec", "spawn"))}
    assert run == ({"posix_spawnp"} if path == "tasks/run.py" else set())


@pytest.mark.parametrize("path", SOURCES)
def test_no_text_becomes_code(path: str) -> None:
    called = {call.func.id for call in calls(SOURCES[path]) if isinstance(call.func, ast.Name)}
    assert called & BUILT_IN == set()


def test_what_runs_in_the_foreground_or_as_a_server_is_a_list_of_words_too() -> None:
    """No command is one text that something else would have to split."""
    for path, tree in SOURCES.items():
        for call in calls(tree):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func) in {"run.run", "run.check", "run.spawn"}:
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), f"{path}:{call.lineno}"
