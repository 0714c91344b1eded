"""The build graph of Sleeper's Docker images, in the order of its flow; `tasks/__init__.py` draws it."""

from collections.abc import Iterator
from typing import Any

from tasks import build, builder, checks, login, preflight, push, repository, sandbox, stage
from tasks.graph.file_dependencies import NeverChanged
from tasks.graph.load import load

CONTEXT = load()

DOIT_CONFIG = {
    "action_string_formatting": "new",
    "backend": "sqlite3",
    "check_file_uptodate": NeverChanged,
    "continue": True,
    "default_tasks": [],
    "dep_file": ":memory:",
    "minversion": "0.37.0",
    "num_process": CONTEXT.settings.parallel,
    "par_type": "thread",
    "reporter": "board",
    "sort": "definition",
    "verbosity": 0,
}


def task_push_all() -> dict[str, Any]:
    """Build and push every selected image that changed."""
    return {"actions": None, "task_dep": [f"push:{image.name}" for image in CONTEXT.selected]}


def task_build_all() -> dict[str, Any]:
    """Build every selected image and load it into the local engine."""
    return {"actions": None, "task_dep": [f"build:{image.name}" for image in CONTEXT.selected]}


def task_preflight() -> Iterator[dict[str, Any]]:
    """Find every problem before the first build."""
    yield from preflight.tasks(CONTEXT)


def task_stage() -> Iterator[dict[str, Any]]:
    """Give each image a build context of its own."""
    yield from stage.tasks(CONTEXT)


def task_repository() -> Iterator[dict[str, Any]]:
    """Create the images' repositories."""
    yield from repository.tasks(CONTEXT)


def task_builder() -> Iterator[dict[str, Any]]:
    """Get the buildx builder ready."""
    yield from builder.tasks(CONTEXT)


def task_login() -> Iterator[dict[str, Any]]:
    """Log in to the registry, for this run only."""
    yield from login.tasks(CONTEXT)


def task_push() -> Iterator[dict[str, Any]]:
    """Build and push single images, whether selected or not."""
    yield from push.tasks(CONTEXT)


def task_build() -> Iterator[dict[str, Any]]:
    """Build single images into the local engine."""
    yield from build.tasks(CONTEXT)


def task_sandbox() -> Iterator[dict[str, Any]]:
    """Start an engine, a registry and an ECR API on this machine."""
    yield from sandbox.tasks(CONTEXT)


def task_checks() -> Iterator[dict[str, Any]]:
    """Test and lint the project itself."""
    yield from checks.tasks()
