"""The names of tests: sentences that fit a line."""

from __future__ import annotations

import ast
from pathlib import Path

LONGEST = 80


def test_a_tests_name_is_a_sentence_of_at_most_80_characters() -> None:
    tests = Path(__file__).parent
    long = [
        f"{path.relative_to(tests)}: {node.name} ({len(node.name)})"
        for path in sorted(tests.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) > LONGEST
    ]
    assert long == []
