"""The tasks that the words of a command line select, and the images that those tasks are about. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.configuration.faults import did_you_mean, did_you_mean_pattern
from tasks.model import Catalogue, Image
from tasks.system.text import quoted

Tasks = Mapping[str, Any]
"""doit's tasks by their names."""


def matching(
    tasks: Collection[str], words: Iterable[str], noun: str = "task", others: Collection[str] = ()
) -> list[str]:
    """Return the tasks that the words name, in the order of the words; a pattern's in the order of `tasks`.

    doit accepts a pattern that matches nothing.

    Args:
        tasks: the names of all tasks.
        words: names, and patterns with a `*`.
        noun: what a word may name, for the error.
        others: more names that a word may have meant, for the suggestion.

    Raises:
        InvalidCommand: a word names no task, or a pattern matches none.
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
            raise InvalidCommand(f"unknown {noun} {quoted(word)}{did_you_mean(word, [*tasks, *others])}{listed}")
    return list(found)


def with_prerequisites(tasks: Tasks, words: Iterable[str]) -> set[str]:
    """Return the names of the tasks that run for these words: names or patterns, and all their prerequisites."""
    found: set[str] = set()
    waiting = [name for word in words for name in (fnmatch.filter(tasks, word) if "*" in word else [word])]
    while waiting:
        name = waiting.pop()
        if name in tasks and name not in found:
            found.add(name)
            waiting += tasks[name].task_dep
    return found


def images_of(catalogue: Catalogue, tasks: Tasks, names: Iterable[str], *verbs: str) -> list[Image]:
    """Return the images of the named tasks, of those tasks whose verb is one of `verbs`."""
    metas = [tasks[name].meta or {} for name in names]
    found = {meta["image"] for meta in metas if meta.get("verb") in verbs and "image" in meta}
    return [image for image in catalogue.images if image.name in found]
