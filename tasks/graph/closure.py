"""What the tasks on a command line run, and which images that is about. Pure; doit's tasks are given."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from tasks.model import Catalogue, Image

Tasks = Mapping[str, Any]
"""doit's tasks by their names."""


def closure(tasks: Tasks, words: Iterable[str]) -> set[str]:
    """Return the names of the tasks that run when the words' do, prerequisites included; a word may be a pattern."""
    found: set[str] = set()
    waiting = [name for word in words for name in (fnmatch.filter(tasks, word) if "*" in word else [word])]
    while waiting:
        name = waiting.pop()
        if name in tasks and name not in found:
            found.add(name)
            waiting += tasks[name].task_dep
    return found


def images_of(catalogue: Catalogue, tasks: Tasks, names: Iterable[str], *verbs: str) -> list[Image]:
    """Return the images that the tasks called `names` are about, as far as they do one of `verbs`."""
    metas = [tasks[name].meta or {} for name in names]
    found = {meta["image"] for meta in metas if meta.get("verb") in verbs and "image" in meta}
    return [image for image in catalogue.images if image.name in found]
