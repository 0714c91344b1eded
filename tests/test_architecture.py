"""The rooms of the project: what may live in each, and who may open which door to the world."""

from __future__ import annotations

import ast
import importlib
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
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
    "isal": {"tasks.image.jar.content"},
    "subprocess": {"tasks.system.processes"},
    "urllib3": {"tasks.registry.http"},
    "yaml": {"tasks.configuration.yaml_nodes"},
}
"""A library, and the modules that speak to it for all others."""

STARTERS = {"fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "startfile", "system"}
"""What os has to start a program, besides exec* and spawn*."""

VOCABULARY = {
    "tasks.errors",
    "tasks.model",
    "tasks.reference",
    "tasks.registry.kinds",
    "tasks.system.secrets",
    "tasks.system.text",
}

PURE = {
    "sandbox.front.refusals",
    "tasks.decision",
    "tasks.engine.failure",
    "tasks.engine.nodes",
    "tasks.errors",
    "tasks.image.difference",
    "tasks.image.fingerprint",
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
    "tasks.configuration.destination",
    "tasks.configuration.selection",
    "tasks.commands.table",
    "tasks.graph.selected_tasks",
    "tasks.report.events",
    "tasks.system.text",
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
    "tasks.image": {"tasks.configuration", "tasks.system.lock", "tasks.system.processes", "tasks.system.text"},
    "tasks.registry": {
        "tasks.configuration",
        "tasks.image",
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
        "tasks.system.processes",
    },
    "sandbox": {"tasks.configuration", "tasks.system.files", "tasks.system.lock", "tasks.system.processes"},
}
"""By room: what else of the project it may use, besides itself and the vocabulary. None knows verbs or the context."""

COMMANDS = {f"tasks.commands.{name}" for name in ("digests", "docs", "graph", "plan", "settings", "status", "why")}
"""The commands that answer a question: one file each, with what it asks, its text and its JSON."""

ASKING = {"context"}
"""The parameter by which a function of such a file asks; the others turn values into values."""

VALUES = {
    "tasks.commands.command.encoded",
    "tasks.commands.plan.Planned",
    "tasks.commands.plan.file_of",
    "tasks.configuration.faults.shown",
    "tasks.configuration.settings.SETTINGS",
    "tasks.configuration.values.NO_STACKS",
    "tasks.image.collect.LAMBDA_JAR",
    "tasks.registry.proof.repair",
}
"""What is pure in modules that also ask, or that use a library."""


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


@pytest.mark.parametrize("module", [module for module in MODULES if module != "tasks.system.processes"])
def test_only_processes_starts_programs(module: str) -> None:
    def starts(node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and (node.attr in STARTERS or node.attr.startswith(("exec", "spawn")))
        )

    assert not any(starts(node) for node in ast.walk(tree(module)))


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


def values_of(module: str) -> tuple[list[ast.FunctionDef], set[str]]:
    """Return the functions of a command's file that must be pure, and the names of those that ask."""
    pure: list[ast.FunctionDef] = []
    asking: set[str] = set()
    for node in tree(module).body:
        if isinstance(node, ast.ClassDef):
            command = any(isinstance(base, ast.Name) and base.id == "Reading" for base in node.bases)
            asking |= {node.name} if command else set()
            pure += [] if command else [one for one in node.body if isinstance(one, ast.FunctionDef)]
        elif isinstance(node, ast.FunctionDef):
            asks = ASKING.intersection(one.arg for one in (*node.args.args, *node.args.kwonlyargs))
            asking |= {node.name} if asks else set()
            pure += [] if asks else [node]
    return pure, asking


@pytest.mark.parametrize("module", sorted(COMMANDS))
def test_a_function_of_a_command_asks_by_its_context_or_is_pure(module: str) -> None:
    pure, asking = values_of(module)
    assert pure
    assert asking
    origins: dict[str, str] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            origins |= {(alias.asname or alias.name): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origins |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    known = PURE | VOCABULARY | VALUES
    for function in pure:
        words = {one.id for statement in function.body for one in ast.walk(statement) if isinstance(one, ast.Name)}
        assert words & asking == set(), function.name
        used = {origins[word] for word in words & origins.keys()}
        ours = {one for one in used if one.startswith(("tasks.", "sandbox."))}
        strangers = {one for one in ours if not {one, one.rpartition(".")[0]} & known}
        assert strangers == set(), function.name
        assert {one.partition(".")[0] for one in used - ours} & WORLD == set(), function.name
        touched = {one.attr for one in ast.walk(function) if isinstance(one, ast.Attribute)} & TOUCHING
        assert touched == set(), function.name


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_is_one_concept_and_not_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def module_of(imported: str) -> str:
    """Return the module that an import reaches: `tasks.errors` for `tasks.errors.InputError`."""
    while imported and imported not in MODULES:
        imported = imported.rpartition(".")[0]
    return imported


def test_imports_have_no_circle() -> None:
    """Therefore no part of a run knows the context that is built of it."""
    graph = {
        module: {module_of(one) for one in imports(module)} - {module, "tasks", "sandbox", ""} for module in MODULES
    }
    TopologicalSorter(graph).prepare()


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
