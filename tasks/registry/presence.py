"""What the registry holds: every tag of every image in one concurrent look."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from tasks.errors import RegistryError
from tasks.reference import Repository
from tasks.registry.client import Client
from tasks.registry.model import Answer
from tasks.system.parallel import each

WORKERS = 40
"""How many questions are asked at once: two tags of each of Sleeper's twenty images."""


def look(client: Client, wanted: Mapping[str, tuple[Repository, tuple[str, ...]]]) -> dict[str, dict[str, Answer]]:
    """Ask for the tags of all images at once.

    Args:
        client: the registry's client.
        wanted: by image, its repository and the tags to ask for.

    Returns:
        By image and tag, what is there. A fault of the registry is an answer too and never raised; once the registry
        has given no answer at all, with all the patience that a request has, nothing more is begun, and the rest of
        the answers is that fault.
    """
    questions = [(name, repository, tag) for name, (repository, tags) in wanted.items() for tag in tags]
    answers: dict[str, dict[str, Answer]] = {name: {} for name in wanted}
    gone: list[RegistryError] = []
    lock = threading.Lock()

    def ask(question: tuple[str, Repository, str]) -> Answer:
        _, repository, tag = question
        with lock:
            if gone:
                return gone[0]
        try:
            return client.head(repository, tag)
        except RegistryError as error:
            if error.status == 0:
                with lock:
                    gone.append(error)
            return error

    for (name, _, tag), answer in zip(questions, each(ask, questions, at_once=WORKERS), strict=True):
        answers[name][tag] = answer
    return answers
