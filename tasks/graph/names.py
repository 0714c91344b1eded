"""The words of a command line as names of tasks; doit accepts a pattern that matches none."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable

from doit.exceptions import InvalidCommand

from tasks.configuration.faults import did_you_mean, did_you_mean_pattern
from tasks.system.text import quoted


def matching(
    tasks: Collection[str], words: Iterable[str], noun: str = "task", others: Collection[str] = ()
) -> list[str]:
    """Return the names that the words say, in their order, a pattern's in the order of `tasks`.

    Args:
        tasks: every task's name.
        words: names, and patterns with a `*`.
        noun: what a word could have been, for the error.
        others: what else it could have been.

    Raises:
        InvalidCommand: a word is no task's name, or a pattern matches none.
    """
    listed = "\n  next: `doit list --all` lists every task"
    found: dict[str, None] = {}
    for word in words:
        if "*" in word:
            names = [name for name in tasks if fnmatch.fnmatchcase(name, word)]
            if not names:
                raise InvalidCommand(f"no task matches {quoted(word)}{did_you_mean_pattern(word, tasks)}{listed}")
            found |= dict.fromkeys(names)
        elif word in tasks:
            found[word] = None
        else:
            raise InvalidCommand(f"there is no {noun} {quoted(word)}{did_you_mean(word, [*tasks, *others])}{listed}")
    return list(found)
