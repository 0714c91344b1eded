from __future__ import annotations

from tasks.system.paragraphs import folded, wrapped


def test_wrapped_lines_keep_their_own_indentation_and_fit() -> None:
    lines = wrapped("a thing and its reason, " * 6 + "\n  next: do something about it " * 3, "    ")
    assert max(map(len, lines)) <= 80
    assert {len(line) - len(line.lstrip()) for line in lines} == {4, 6}


def test_a_folded_line_hangs() -> None:
    assert folded("next: a b-c", "  ", 8) == ["next: a", "  b-c"]
    assert folded("next: a  b", "  ", 80) == ["next: a  b"]
    assert folded("1.5 kB (2.5\N{NO-BREAK SPACE}kB)", "", 12) == ["1.5 kB", "(2.5 kB)"]


def test_a_word_that_is_too_long_is_left_whole() -> None:
    assert wrapped("x" * 100, "  ") == ["  " + "x" * 100]
