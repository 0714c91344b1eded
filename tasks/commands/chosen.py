"""What the tasks on a command line are about: for `run`, and for the commands that tell of a run."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any

from doit.exceptions import InvalidCommand

from tasks.model import Image
from tasks.session import Session

Tasks = Mapping[str, Any]
"""doit's tasks by their names."""


def closure(tasks: Tasks, words: Iterable[str]) -> set[str]:
    """Return the names of the tasks that the words of the command line run, prerequisites included."""
    found: set[str] = set()
    waiting = [name for word in words for name in (fnmatch.filter(tasks, word) if "*" in word else [word])]
    while waiting:
        name = waiting.pop()
        if name in tasks and name not in found:
            found.add(name)
            waiting += tasks[name].task_dep
    return found


def images_of(session: Session, tasks: Tasks, names: Iterable[str], *verbs: str) -> list[Image]:
    """Return the images that the tasks called `names` are about, as far as they do one of `verbs`."""
    metas = [tasks[name].meta or {} for name in names]
    found = {meta["image"] for meta in metas if meta.get("verb") in verbs and "image" in meta}
    return [image for image in session.catalogue.images if image.name in found]


def check_sandbox(session: Session) -> None:
    """Refuse to ask a sandbox that does not run: a run would start it, and what only reads does not.

    Raises:
        InvalidCommand: it is the target and does not run.
    """
    if not session.settings.sandbox:
        return
    from sandbox import aws, registry  # noqa: PLC0415  # Only what asks the sandbox pays for it.

    if not (registry.running(session.sandbox) and aws.running(session.sandbox)):
        raise InvalidCommand("the sandbox is not started\n  next: run `doit sandbox`")
