"""The rooms of the project: what may live in each, and who may open which door to the world."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.registry.kinds import KINDS

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for room in ("tasks", "sandbox") for path in (CHECKOUT / room).rglob("*.py"))
LONGEST = 500
"""A longer module is more than one concept. A shorter one is split where its concepts are, not where its lines are."""

DOORS = {
    "boto3": {"tasks.registry.aws_client"},
    "botocore": {"tasks.registry.aws_client", "tasks.registry.ecr"},
    "docker": {"tasks.engine.images"},
    "e2b_dockerfile_utils": {"tasks.image.dockerfile"},
    "isal": {"tasks.image.jar.jar"},
    "sqlite3": {"tasks.graph.ledger"},
    "subprocess": {"tasks.system.children"},
    "urllib3": {"tasks.registry.http"},
    "yaml": {"tasks.configuration.yaml_nodes"},
}
"""A library, and the modules that speak to it for all others."""

STARTERS = {"fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "startfile", "system"}
"""What os has to start a program, besides exec* and spawn*."""

VOCABULARY = {"tasks.errors", "tasks.model", "tasks.reference", "tasks.registry.kinds", "tasks.system.secrets"}

PURE = {
    "sandbox.front.refusals",
    "tasks.decision",
    "tasks.engine.nodes",
    "tasks.errors",
    "tasks.image.difference",
    "tasks.image.fingerprint",
    "tasks.image.scheme",
    "tasks.model",
    "tasks.reference",
    "tasks.registry.aws_faults",
    "tasks.registry.aws_login",
    "tasks.registry.credentials",
    "tasks.registry.ecr_answers",
    "tasks.registry.kinds",
    "tasks.registry.message",
    "tasks.registry.model",
    "tasks.registry.plain",
    "tasks.registry.routes",
    "tasks.configuration.destination",
    "tasks.configuration.rules",
    "tasks.configuration.selection",
    "tasks.configuration.suggest",
    "tasks.graph.closure",
    "tasks.report.events",
    "tasks.views",
    "tasks.views.diagram",
    "tasks.views.digests",
    "tasks.views.plan",
    "tasks.views.settings",
    "tasks.views.status",
    "tasks.views.tables",
    "tasks.views.why",
    "tasks.views.words",
}
"""Modules that neither ask nor change anything: the same arguments always give the same result."""

WORLD = {"http", "os", "random", "shutil", "signal", "socket", "ssl", "sys", "tempfile", "threading", "time", *DOORS}
"""Modules with which one asks or changes something."""

TOUCHING = {
    "chmod", "exists", "glob", "is_dir", "is_file", "iterdir", "lstat", "mkdir", "open", "read_bytes", "read_text",
    "rename", "resolve", "rglob", "rmdir", "stat", "touch", "unlink", "write_bytes", "write_text",
}  # fmt: skip
"""What a path has to touch a file."""

ABOVE = {
    "tasks.configuration": {"tasks.system.files"},
    "tasks.image": {"tasks.configuration", "tasks.system.run"},
    "tasks.registry": {
        "tasks.configuration",
        "tasks.image",
        "tasks.system.once",
        "tasks.system.backoff",
        "tasks.system.parallel",
    },
    "tasks.engine": {
        "tasks.system.backoff",
        "tasks.system.files",
        "tasks.image",
        "tasks.system.lock",
        "tasks.system.parallel",
        "tasks.registry",
        "tasks.system.run",
    },
    "sandbox": {"tasks.configuration", "tasks.system.files", "tasks.system.lock", "tasks.system.run"},
    "tasks.views": {
        "tasks.configuration",
        "tasks.decision",
        "tasks.digests_file",
        "tasks.engine.progress",
        "tasks.explanation",
        "tasks.image",
        "tasks.plan",
        "tasks.registry.model",
        "tasks.status",
    },
}
"""By room: what else of the project it may use, besides itself and the vocabulary. None knows verbs or the session.

Views know the answers that they draw, and neither the session nor a registry to ask.
"""


def name(path: Path) -> str:
    """Return a module's dotted name."""
    return ".".join(path.relative_to(CHECKOUT).with_suffix("").parts).removesuffix(".__init__")


def tree(module: str) -> ast.Module:
    path = CHECKOUT / Path(*module.split("."))
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


def imports(module: str) -> Iterator[str]:
    """Yield what a module imports, at its top or in a function; a part of a package by its own name."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            whole = node.module.split(".")[0] in {"tasks", "sandbox"}
            yield from (f"{node.module}.{alias.name}" if whole else node.module for alias in node.names)


def calls(module: str) -> Iterator[str]:
    """Yield the last word of everything that a module calls."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(attr=word) | ast.Name(id=word):
                    yield word


MODULES = [name(path) for path in SOURCES]


def test_every_module_named_here_exists() -> None:
    named = PURE | VOCABULARY | {module for doors in DOORS.values() for module in doors}
    assert named <= set(MODULES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("module", MODULES)
def test_only_its_door_imports_a_library(module: str) -> None:
    packages = {imported.partition(".")[0] for imported in imports(module)}
    assert {package for package in packages & DOORS.keys() if module not in DOORS[package]} == set()


@pytest.mark.parametrize("library", DOORS)
def test_a_door_leads_somewhere(library: str) -> None:
    for module in DOORS[library]:
        assert library in {imported.partition(".")[0] for imported in imports(module)}


@pytest.mark.parametrize("module", [module for module in MODULES if module != "tasks.system.run"])
def test_only_run_starts_programs(module: str) -> None:
    def starts(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and (node.attr in STARTERS or node.attr.startswith(("exec", "spawn")))
        )

    assert not any(starts(node) for node in ast.walk(tree(module)))


@pytest.mark.parametrize("module", [module for module in MODULES if module != "tasks.system.run"])
def test_the_one_door_to_subprocesses_is_run(module: str) -> None:
    assert not any(imported.startswith("tasks.system.children") for imported in imports(module))


@pytest.mark.parametrize("module", [one for one in MODULES if not one.startswith(("tasks.graph", "tasks.commands"))])
def test_only_the_graph_and_the_commands_know_doit(module: str) -> None:
    assert "doit" not in {imported.partition(".")[0] for imported in imports(module)}


@pytest.mark.parametrize("module", sorted(PURE))
def test_what_is_pure_imports_nothing_of_the_world(module: str) -> None:
    assert {imported.partition(".")[0] for imported in imports(module)} & WORLD == set()


@pytest.mark.parametrize("module", sorted(PURE))
def test_what_is_pure_touches_no_file(module: str) -> None:
    assert set(calls(module)) & TOUCHING == set()


@pytest.mark.parametrize("module", sorted(VOCABULARY))
def test_the_vocabulary_uses_nothing_but_itself(module: str) -> None:
    ours = {imported.rpartition(".")[0] for imported in imports(module) if imported.startswith("tasks.")}
    assert ours <= VOCABULARY


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith(tuple(ABOVE))])
def test_a_room_knows_what_is_below_it_and_nothing_above(module: str) -> None:
    room = next(room for room in ABOVE if module == room or module.startswith(f"{room}."))
    allowed = {room, *ABOVE[room], *VOCABULARY}
    ours = {imported for imported in imports(module) if imported.startswith(("tasks.", "sandbox."))}
    strangers = {one for one in ours if not any(one == known or one.startswith(f"{known}.") for known in allowed)}
    assert strangers == set()


def test_only_the_row_of_a_registry_kind_names_its_backend() -> None:
    """A kind of registry is a row and a module; nothing else asks which kind it is."""
    backends = {kind.backend.partition(":")[0] for kind in KINDS.values()}
    assert {module for module in MODULES if backends & set(imports(module))} == set()
    asking = {
        module
        for module in MODULES
        if any(
            isinstance(node, ast.Attribute) and node.attr == "ecr_account_and_region" for node in ast.walk(tree(module))
        )
    }
    assert asking <= {"tasks.configuration.destination", "tasks.registry.ecr_answers", "tasks.registry.kinds"}


def test_every_view_is_pure() -> None:
    assert {module for module in MODULES if module.startswith("tasks.views")} <= PURE


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_is_one_concept_and_not_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_dodo_holds_a_picture_of_the_flow_and_no_logic() -> None:
    creators = [
        node for node in ast.parse((CHECKOUT / "dodo.py").read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    assert creators
    for creator in creators:
        sentence, *body = creator.body
        assert isinstance(sentence, ast.Expr), creator.name
        assert len(body) == 1, creator.name
        assert not any(isinstance(node, ast.If | ast.For | ast.While | ast.Try) for node in ast.walk(creator))


def test_every_entry_point_is_there() -> None:
    groups = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group in groups.values():
        for entry, where in group.items():
            module, _, attribute = where.partition(":")
            found = getattr(importlib.import_module(module), attribute)
            assert group is not groups["doit.COMMAND"] or found.name == entry
