"""A YAML file as nodes with line numbers, and mappings whose keys are described by rows.

Only a small part of YAML is supported: mappings, lists and scalars of one document. Anchors, aliases and tags are
errors: a small file stays small when it is read, and every parser reads it the same way.

A `Form` says what a value looks like (text, flag, list, mapping). Its reader returns the value, or notes a fault and
returns None, so that one pass finds every fault of a file. A `Key` is a row: a name, a form and a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.configuration.faults import Faults, did_you_mean, shown
from tasks.configuration.values import UNPRINTABLE, Rule
from tasks.errors import CatalogueError
from tasks.system.text import quoted

_DEEPEST = 16

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOLEAN = re.compile(r"true|false|yes|no|on|off|y|n", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|0[xob][0-9A-Fa-f_]+")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: its text, and whether it is written without quotes."""

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
    """Pairs of nodes in the order of the file. Any node can be a key, and keys can repeat."""

    line: int
    pairs: tuple[tuple[Node, Node], ...]


Node = Scalar | Listing | Mapping
"""A value and its line."""


def parse(content: str, path: Path) -> Node:
    """Return a document's node.

    Raises:
        CatalogueError: it is not valid YAML, or not of the supported part; the message begins with `file:line:`.
    """
    try:
        return _compose(content, path)
    except yaml.MarkedYAMLError as fault:
        line = getattr(fault.problem_mark or fault.context_mark, "line", 0) + 1
        if "\t" in "".join(content.splitlines()[line - 1 : line]):
            raise CatalogueError(
                f"{shown(path)}:{line}: YAML does not allow a tab as indentation", "use spaces instead"
            ) from fault
        reason = fault.problem or fault.context or "not valid YAML"
        raise CatalogueError(f"{shown(path)}:{line}: {reason}", "correct the YAML on this line") from fault
    except yaml.reader.ReaderError as fault:
        line = content.count("\n", 0, fault.position) + 1
        raise CatalogueError(f"{shown(path)}:{line}: {fault.reason}", "remove the character") from fault
    except (yaml.YAMLError, ValueError, OverflowError) as fault:
        # In the parser written in Python, int() and chr() raise for a version or an escape that is too large.
        raise CatalogueError(f"{shown(path)}:1: not valid YAML: {fault}", "correct the file") from fault


def _compose(content: str, path: Path) -> Node:
    """Build nodes from the parser's events, without recursion, so that a deep file cannot exhaust the stack."""
    top: list[Node] = []
    open_nodes: list[tuple[int, list[Node]]] = [(0, top)]
    events: Iterable[Any] = yaml.parse(content, Loader=_LOADER)
    for event in events:
        line = event.start_mark.line + 1
        refused = _refused(event, len(open_nodes))
        if refused or (isinstance(event, yaml.DocumentStartEvent) and top):
            reason = refused or "only one document is supported"
            raise CatalogueError(f"{shown(path)}:{line}: {reason}", "use only mappings, lists and plain values")
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
        return "anchors and aliases are not supported; write the value out"
    if getattr(event, "tag", None) is not None:
        return f"the tag {quoted(event.tag)} is not supported"
    return f"nested more than {_DEEPEST} levels deep" if depth > _DEEPEST else None


def kind(node: Node) -> str:
    """Return what a node is, for a message that says what it must be."""
    match node:
        case Mapping():
            return "a mapping"
        case Listing():
            return "a list"
        case Scalar(text=text, plain=True) if _NULL.fullmatch(text):
            return "null"
        case Scalar(text=text, plain=True) if _BOOLEAN.fullmatch(text):
            return f"the boolean {text}"
        case Scalar(text=text, plain=True) if _NUMBER.fullmatch(text):
            return f"the number {quoted(text)[1:-1]}"
        case Scalar():
            return "text"


@dataclass(frozen=True)
class Form:
    """What a value looks like.

    Attributes:
        read: returns the value of a node; on a fault, notes it and returns None. The second argument is the key, for
            messages.
        schema: the same in JSON Schema, as far as that can say it.
    """

    read: Callable[[Node, str, Faults], Any]
    schema: MappingType[str, Any]


@dataclass(frozen=True)
class Key:
    """A key of a mapping.

    Attributes:
        form: what its value looks like.
        meaning: what it means, for the documentation and for editors.
        required: whether it must be there.
        default: what applies if it is left out, for the documentation.
    """

    name: str
    form: Form
    meaning: str
    required: bool = False
    default: str = ""


@dataclass(frozen=True)
class Entry:
    """A mapping as its rows read it.

    Attributes:
        line: where it begins.
        values: the values without a fault, by key.
        lines: the line of every known key.
    """

    line: int
    values: dict[str, Any]
    lines: dict[str, int]


def _pairs(node: Node, what: str, faults: Faults) -> Iterator[tuple[Scalar, Node]]:
    """Yield the pairs of a mapping whose keys are scalars, without duplicates."""
    if not isinstance(node, Mapping):
        faults.add(node.line, f"{what} must be a mapping, not {kind(node)}")
        return
    first: dict[str, int] = {}
    for key, value in node.pairs:
        if not isinstance(key, Scalar):
            faults.add(key.line, f"a key of {what} must be text, not {kind(key)}")
        elif key.text in first:
            faults.add(key.line, f"duplicate key {quoted(key.text)} in {what}, first on line {first[key.text]}")
        else:
            first[key.text] = key.line
            yield key, value


def read_entry(
    node: Node, what: str, keys: Sequence[Key], faults: Faults, *, elsewhere: MappingType[str, str] = {}
) -> Entry:
    """Return a mapping, read by its rows.

    `what` says in messages what it describes. `elsewhere` are keys that belong to another mapping, with the reason
    why they are not allowed here.
    """
    rows = {key.name: key for key in keys}
    entry = Entry(node.line, {}, {})
    for key, value in _pairs(node, what, faults):
        if row := rows.get(key.text):
            entry.lines[row.name] = key.line
            read = row.form.read(value, row.name, faults)
            if read is not None:
                entry.values[row.name] = read
        elif key.text in elsewhere:
            faults.add(key.line, f"the key {quoted(key.text)} is not allowed in {what}{elsewhere[key.text]}")
        else:
            faults.add(key.line, f"unknown key {quoted(key.text)} in {what}{did_you_mean(key.text, rows)}")
    if isinstance(node, Mapping):
        for row in keys:
            if row.required and row.name not in entry.lines:
                faults.add(node.line, f"missing key '{row.name}' in {what}")
    return entry


def _scalar(node: Node, what: str, faults: Faults, check: Rule | None = None) -> str | None:
    """Return the characters of a scalar, which must be one printable line."""
    if not isinstance(node, Scalar) or kind(node) == "null":
        reason = f"must be text, not {kind(node)}"
    elif not node.text.isprintable():
        reason = f"{quoted(node.text)} {UNPRINTABLE}"
    elif node.text != node.text.strip():
        reason = f"{quoted(node.text)} must not begin or end with a space"
    elif check is not None and (refused := check(node.text)) is not None:
        reason = f"{quoted(node.text)} {refused}"
    else:
        return node.text
    faults.add(node.line, f"{what}: {reason}")
    return None


def _text(node: Node, what: str, faults: Faults, check: Rule | None = None) -> str | None:
    """Return a scalar that every YAML reader takes for text."""
    form = kind(node)
    if isinstance(node, Scalar) and form not in {"text", "null"}:
        faults.add(node.line, f"{what}: must be text, not {form}; put it in quotes")
        return None
    return _scalar(node, what, faults, check)


def _items(node: Node, what: str, faults: Faults) -> tuple[Node, ...]:
    if isinstance(node, Listing):
        return node.items
    faults.add(node.line, f"{what}: must be a list, not {kind(node)}")
    return ()


def _flag(node: Node, what: str, faults: Faults) -> bool | None:
    if isinstance(node, Scalar) and node.plain and node.text.lower() in {"true", "false"}:
        return node.text.lower() == "true"
    form = quoted(node.text) if isinstance(node, Scalar) and node.text else kind(node)
    faults.add(node.line, f"{what}: must be true or false, not {form}")
    return None


def _as_schema(rule: Rule | None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if rule and rule.choices:
        schema["enum"] = list(rule.choices)
    if rule and rule.pattern:
        schema["pattern"] = f"^(?:{rule.pattern})$"
    return schema


FLAG = Form(_flag, {"type": "boolean"})
"""`true` or `false`."""

VERBATIM = Form(_scalar, {"type": ["string", "number", "boolean"]})
"""Any scalar, as the characters in the file: `1.10` stays `1.10`."""


def text(rule: Rule | None = None) -> Form:
    """Return the form of one line of text that a rule accepts."""
    return Form(lambda node, what, faults: _text(node, what, faults, rule), _as_schema(rule))


def texts(rule: Rule, *, or_one: bool = True) -> Form:
    """Return the form of a list of different texts, each accepted by a rule; its value is a dict, text to line.

    With `or_one`, one text without a list stands for a list of one.
    """

    def read(node: Node, what: str, faults: Faults) -> dict[str, int]:
        found: dict[str, int] = {}
        for item in (node,) if or_one and isinstance(node, Scalar) else _items(node, what, faults):
            value = _text(item, what, faults, rule)
            if value is not None and value in found:
                faults.add(item.line, f"{what}: duplicate {quoted(value)}")
            elif value is not None:
                found[value] = item.line
        return found

    one = _as_schema(rule)
    many = {"type": "array", "items": one, "uniqueItems": True}
    return Form(read, {"anyOf": [one, many]} if or_one else many)


def options(rule: Rule) -> Form:
    """Return the form of a mapping of names to scalars; its value is sorted by name.

    Each name must be one that the rule accepts.
    """

    def read(node: Node, what: str, faults: Faults) -> tuple[tuple[str, str], ...]:
        found = []
        for key, value in _pairs(node, what, faults):
            name = _text(key, what, faults, rule)
            content = _scalar(value, f"{what} {quoted(key.text)}", faults)
            if name is not None and content is not None:
                found.append((name, content))
        return tuple(sorted(found))

    names = {name: value for name, value in _as_schema(rule).items() if name != "type"}
    return Form(read, {"type": "object", "propertyNames": names, "additionalProperties": VERBATIM.schema})


def mapping(what: str, keys: Sequence[Key]) -> Form:
    """Return the form of a mapping with these keys; its value is an `Entry`."""
    return Form(lambda node, _, faults: read_entry(node, what, keys, faults), schema_of(keys))


def mappings(what: str, keys: Sequence[Key], *, elsewhere: MappingType[str, str] = {}) -> Form:
    """Return the form of a list of mappings; its value is a tuple of entries.

    The arguments are those of `read_entry`.
    """

    def read(node: Node, name: str, faults: Faults) -> tuple[Entry, ...]:
        return tuple(read_entry(item, what, keys, faults, elsewhere=elsewhere) for item in _items(node, name, faults))

    return Form(read, {"type": "array", "items": schema_of(keys)})


def schema_of(keys: Sequence[Key]) -> dict[str, Any]:
    """Return the JSON Schema of a mapping with these keys."""
    required = [key.name for key in keys if key.required]
    return {
        "type": "object",
        "properties": {key.name: {"description": key.meaning, **key.form.schema} for key in keys},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
