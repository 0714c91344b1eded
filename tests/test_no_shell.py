"""No shell, and no text that becomes a command or code: as the source says it. Who may start programs at all is
`test_architecture`'s."""

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

BUILT_IN = {"eval", "exec", "compile", "__import__"}
UNPACKS_CODE = {"pickle", "marshal", "shelve", "dill"}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", SOURCES)
def test_nothing_is_given_to_a_shell(path: str) -> None:
    for call in calls(SOURCES[path]):
        assert "shell" not in {keyword.arg for keyword in call.keywords}, f"{path}:{call.lineno}"


@pytest.mark.parametrize("path", SOURCES)
def test_no_text_becomes_code(path: str) -> None:
    called = {call.func.id for call in calls(SOURCES[path]) if isinstance(call.func, ast.Name)}
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(SOURCES[path])
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
    }
    assert called & BUILT_IN == set()
    assert imported & UNPACKS_CODE == set()


def test_every_command_is_a_list_of_words() -> None:
    """No command is one text that something else would have to split."""
    starts = {f"processes.{name}" for name in ("run", "check", "foreground", "spawn")}
    for path, tree in SOURCES.items():
        for call in calls(tree):
            if ast.unparse(call.func) in starts:
                assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), f"{path}:{call.lineno}"
