"""The nodes of a YAML file: what it says, each value with the line that it stands on.

It is a small part of the language: mappings, lists and scalars of one document. Anchors, aliases and tags are refused,
so that a small file stays small when it is read and reads the same to a person as to every parser.

A reader here takes a node and gives its value, or notes a fault and gives nothing, so that one pass finds every fault
of a file. It knows the forms of values (text, flag, list, mapping), not what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.configuration.faults import Faults, shown
from tasks.configuration.suggest import did_you_mean
from tasks.errors import CatalogueError
from tasks.system.text import quoted

_DEEPEST = 16

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOLEAN = re.compile(r"true|false|yes|no|on|off|y|n", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0[xob][0-9A-Fa-f_]+")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: its text, and whether it stood there without quotes."""

    line: int
    text: str
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """A sequence of nodes."""

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs of nodes in the order of the file; a key may be there twice, or be no scalar."""

    line: int
    pairs: tuple[tuple[Node, Node], ...]


Node = Scalar | Listing | Mapping
"""A value and where it stands."""


def parse(content: str, path: Path) -> Node:
    """Return the node that a document is.

    Args:
        content: the document.
        path: its file, as messages name it.

    Raises:
        CatalogueError: it is no YAML, or none of the part that is read here; the message begins with `file:line:`.
    """
    try:
        return _compose(content, path)
    except yaml.MarkedYAMLError as fault:
        line = getattr(fault.problem_mark or fault.context_mark, "line", 0) + 1
        if "\t" in "".join(content.splitlines()[line - 1 : line]):
            raise CatalogueError(
                f"{shown(path)}:{line}: a tab, which YAML does not take as indentation", "write spaces in its place"
            ) from fault
        reason = fault.problem or fault.context or "no YAML"
        raise CatalogueError(f"{shown(path)}:{line}: {reason}", "correct the YAML of this line") from fault
    except yaml.reader.ReaderError as fault:
        line = content.count("\n", 0, fault.position) + 1
        raise CatalogueError(f"{shown(path)}:{line}: {fault.reason}", "remove the character") from fault
    except (yaml.YAMLError, ValueError, OverflowError) as fault:
        # The parser in Python lets int() and chr() raise for a version or an escape that is out of all bounds.
        raise CatalogueError(f"{shown(path)}:1: no YAML: {fault}", "correct the file") from fault


def _compose(content: str, path: Path) -> Node:
    """Build nodes from the parser's events; not by recursion, which a deep file would exhaust."""
    top: list[Node] = []
    open_nodes: list[tuple[int, list[Node]]] = [(0, top)]
    events: Iterable[Any] = yaml.parse(content, Loader=_LOADER)
    for event in events:
        line = event.start_mark.line + 1
        refused = _refused(event, len(open_nodes))
        if refused or (isinstance(event, yaml.DocumentStartEvent) and top):
            reason = refused or "a second document begins"
            raise CatalogueError(f"{shown(path)}:{line}: {reason}", "write mappings, lists and plain values only")
        if isinstance(event, yaml.ScalarEvent):
            open_nodes[-1][1].append(Scalar(line, event.value, plain=event.implicit[0]))
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((line, []))
        elif isinstance(event, yaml.CollectionEndEvent):
            line, nodes = open_nodes.pop()
            is_list = isinstance(event, yaml.SequenceEndEvent)
            pairs = () if is_list else tuple(zip(nodes[::2], nodes[1::2], strict=True))
            open_nodes[-1][1].append(Listing(line, tuple(nodes)) if is_list else Mapping(line, pairs))
    return top[0] if top else Scalar(1, "")


def _refused(event: Any, depth: int) -> str | None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        return "anchors and aliases are not read here; write the value out"
    if getattr(event, "tag", None) is not None:
        return f"the tag {quoted(event.tag)} is not read here"
    return "nested too deeply for a catalogue" if depth > _DEEPEST else None


def kind(node: Node) -> str:
    """Return what a node is, for a message about what it should have been."""
    match node:
        case Mapping():
            return "a mapping"
        case Listing():
            return "a list"
        case Scalar(text=text, plain=True) if _NULL.fullmatch(text):
            return "nothing"
        case Scalar(text=text, plain=True) if _BOOLEAN.fullmatch(text):
            return f"the true-or-false value {text}"
        case Scalar(text=text, plain=True) if _NUMBER.fullmatch(text):
            return f"the number {quoted(text)[1:-1]}"
        case Scalar():
            return "text"


def fields(node: Node, what: str, known: Sequence[str], required: Sequence[str], faults: Faults) -> dict[str, Node]:
    """Return a mapping's values by key; those of unknown keys, and all but the first of a key, are left out.

    Args:
        node: what should be a mapping.
        what: how messages call it.
        known: the keys that it may have.
        required: the keys that it must have.
        faults: receives what is wrong with it.
    """
    found: dict[str, Node] = {}
    for key, value in named(node, what, faults):
        if key.text in known:
            found[key.text] = value
        else:
            faults.add(key.line, f"{what} has no key {quoted(key.text)}{did_you_mean(key.text, known)}")
    if isinstance(node, Mapping):
        for key_name in required:
            if key_name not in found:
                faults.add(node.line, f"{what} lacks the key '{key_name}'")
    return found


def named(node: Node, what: str, faults: Faults) -> Iterator[tuple[Scalar, Node]]:
    """Yield the pairs of a mapping whose keys are scalars; a key that is there twice only the first time."""
    if not isinstance(node, Mapping):
        faults.add(node.line, f"{what} must be a mapping, not {kind(node)}")
        return
    first: dict[str, int] = {}
    for key, value in node.pairs:
        if not isinstance(key, Scalar):
            faults.add(key.line, f"a key of {what} must be text, not {kind(key)}")
        elif key.text in first:
            faults.add(key.line, f"{what} has the key {quoted(key.text)} twice, first on line {first[key.text]}")
        else:
            first[key.text] = key.line
            yield key, value


def items(node: Node, what: str, faults: Faults) -> tuple[Node, ...]:
    """Return the items of a list."""
    if isinstance(node, Listing):
        return node.items
    faults.add(node.line, f"{what} must be a list, not {kind(node)}")
    return ()


def text(node: Node, what: str, faults: Faults, check: Callable[[str], str | None] | None = None) -> str | None:
    """Return a text of one printable line; `check` says what is wrong with it, after its quoted self, or None."""
    if (form := kind(node)) != "text":
        remedy = "; put it in quotes" if isinstance(node, Scalar) and node.text and form != "nothing" else ""
        faults.add(node.line, f"{what} must be text, not {form}{remedy}")
        return None
    return verbatim(node, what, faults, check)


def verbatim(node: Node, what: str, faults: Faults, check: Callable[[str], str | None] | None = None) -> str | None:
    """Return any scalar as the characters that stand there, so that `1.10` stays `1.10`; otherwise as `text`."""
    if not isinstance(node, Scalar) or kind(node) == "nothing":
        faults.add(node.line, f"{what} must be text, not {kind(node)}")
        return None
    if not node.text.isprintable():
        faults.add(node.line, f"{what} {quoted(node.text)} holds a line break, a control or an invisible character")
        return None
    if node.text != node.text.strip():
        faults.add(node.line, f"{what} {quoted(node.text)} begins or ends with a space")
        return None
    if check is not None and (reason := check(node.text)) is not None:
        faults.add(node.line, f"{what} {quoted(node.text)} {reason}")
        return None
    return node.text


def texts(
    node: Node, what: str, faults: Faults, check: Callable[[str], str | None] | None = None
) -> tuple[tuple[str, int], ...]:
    """Return the texts of a list, or one text that stands alone, each with its line; a text twice is a fault."""
    nodes = (node,) if isinstance(node, Scalar) else items(node, what, faults)
    found: dict[str, int] = {}
    for item in nodes:
        value = text(item, what, faults, check)
        if value is not None and value in found:
            faults.add(item.line, f"{what} {quoted(value)} is there twice")
        elif value is not None:
            found[value] = item.line
    return tuple(found.items())


def flag(node: Node, what: str, faults: Faults) -> bool:
    """Return a value that is `true` or `false`."""
    if isinstance(node, Scalar) and node.plain and node.text.lower() in {"true", "false"}:
        return node.text.lower() == "true"
    form = quoted(node.text) if isinstance(node, Scalar) and node.text else kind(node)
    faults.add(node.line, f"{what} must be true or false, not {form}")
    return False


def options(
    node: Node, what: str, faults: Faults, check_name: Callable[[str], str | None]
) -> tuple[tuple[str, str], ...]:
    """Return a mapping of names to texts, sorted by name, so that the order of the file is of no account."""
    found = []
    for key, value in named(node, what, faults):
        name = text(key, f"a name in {what}", faults, check_name)
        content = verbatim(value, f"{what} {quoted(key.text)}", faults)
        if name is not None and content is not None:
            found.append((name, content))
    return tuple(sorted(found))
