"""The catalogue of images: YAML in, `model.Catalogue` out, every fault of the file at once and with its line.

`docs/catalogue.md` is the reference of every key.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from pathlib import Path

from tasks.configuration import bases, platforms, rules, yaml_nodes
from tasks.configuration.faults import Faults, shown
from tasks.configuration.suggest import did_you_mean
from tasks.configuration.yaml_nodes import Mapping, Node, Scalar
from tasks.errors import CatalogueError
from tasks.model import Builder, BuilderNode, Catalogue, Image, Kind
from tasks.system.text import quoted

SCHEMA = 1
"""The version of the file's form; a catalogue of another version is refused."""

LAMBDA_DIRECTORY = "lambda"
"""The build directory that all lambdas share, unless an entry names another one."""

_KUBERNETES = "kubernetes"
"""The driver whose nodes have no endpoint."""

_LARGEST_FILE = 2 * 1024 * 1024

_TOP = ("schema", "stacks", "platforms", "builder", "deployments", "lambdas")
_COMMON = ("name", "stacks", "directory", "build_args", "revision")
_DEPLOYMENT = (*_COMMON, "multiplatform", "attestations")
_LAMBDA = (*_COMMON, "jar", "always_docker")
_BUILDER_KEYS = ("name", "driver", "options", "platforms", "endpoint", "config", "nodes")
_NODE_KEYS = ("name", "endpoint", "platforms", "options")


def load(path: Path) -> Catalogue:
    """Read a catalogue and the lock of its base images, where that is beside it.

    Raises:
        CatalogueError: it cannot be read, or has faults; each is a line `file:line: …`.
    """
    faults = Faults(path)
    root = yaml_nodes.parse(_read(path), path)
    catalogue = _catalogue(root, path, faults)
    faults.check("correct these lines; docs/catalogue.md describes every key")
    return catalogue


def lock_path(path: Path) -> Path:
    """Return where the locked base images of the catalogue at `path` are."""
    return path.with_name(path.name + ".lock")


def write_lock(path: Path, digests: MappingType[str, str]) -> None:
    """Replace the lock of the catalogue at `path`, whole or not at all: reference to digest (`sha256:…`)."""
    bases.write(lock_path(path), digests)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise CatalogueError(
            f"{shown(path)}: the catalogue cannot be read: {reason}",
            "set CATALOGUE to the file that describes the images",
        ) from fault
    if len(content) > _LARGEST_FILE:
        raise CatalogueError(
            f"{shown(path)}:1: larger than {_LARGEST_FILE // 1024} KiB", "set CATALOGUE to a catalogue"
        )
    if b"\0" in content:
        raise CatalogueError(f"{shown(path)}:1: not UTF-8", "save the file as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise CatalogueError(f"{shown(path)}:{line}: not UTF-8", "save the file as UTF-8") from fault


def _catalogue(root: Node, path: Path, faults: Faults) -> Catalogue:
    found = yaml_nodes.fields(root, "the catalogue", _TOP, ("schema", "stacks"), faults)
    if "schema" in found:
        _check_schema(found["schema"], faults)
    stacks = _stacks(found.get("stacks"), faults)
    multiple = _platforms(found.get("platforms"), faults)
    images: dict[str, tuple[Image, int]] = {}
    for key, kind in (("deployments", Kind.DEPLOYMENT), ("lambdas", Kind.LAMBDA)):
        for entry in yaml_nodes.items(found[key], key, faults) if key in found else ():
            image = _image(entry, kind, stacks, multiple, faults)
            if image is not None and image.name in images:
                first = images[image.name][1]
                faults.add(entry.line, f"the image '{image.name}' is there twice, first on line {first}")
            elif image is not None:
                images[image.name] = image, entry.line
    if isinstance(root, Mapping) and not ("deployments" in found or "lambdas" in found):
        faults.add(root.line, "the catalogue has no images: neither 'deployments' nor 'lambdas'")
    builder = _builder(found.get("builder"), multiple, path, faults)
    return Catalogue(path, tuple(image for image, _ in images.values()), builder, stacks, bases.read(lock_path(path)))


def _check_schema(node: Node, faults: Faults) -> None:
    if not (isinstance(node, Scalar) and node.plain and node.text == str(SCHEMA)):
        what = quoted(node.text) if isinstance(node, Scalar) else yaml_nodes.kind(node)
        faults.add(node.line, f"this program reads catalogues of schema {SCHEMA}, not {what}")


def _stacks(node: Node | None, faults: Faults) -> tuple[str, ...]:
    if node is None:
        return ()
    if isinstance(node, Scalar):
        faults.add(node.line, f"stacks must be a list, not {yaml_nodes.kind(node)}")
        return ()
    first: dict[str, str] = {}
    for name, line in yaml_nodes.texts(node, "the stack", faults, rules.stack):
        if name.lower() in first:
            faults.add(
                line, f"the stacks '{first[name.lower()]}' and '{name}' differ only in case, which does not count"
            )
        else:
            first[name.lower()] = name
    return tuple(first.values())


def _image(node: Node, kind: Kind, stacks: tuple[str, ...], multiple: tuple[str, ...], faults: Faults) -> Image | None:
    """Return one entry of the two tables; None where it has no usable name."""
    is_lambda = kind is Kind.LAMBDA
    what = "a lambda" if is_lambda else "a deployment"
    required = ("name", "jar") if is_lambda else ("name",)
    if is_lambda:
        node = _without_index(node, faults)
    found = yaml_nodes.fields(node, what, _LAMBDA if is_lambda else _DEPLOYMENT, required, faults)
    name = yaml_nodes.text(found["name"], "the name", faults, rules.image) if "name" in found else None
    directory = LAMBDA_DIRECTORY if is_lambda else name
    if "directory" in found:
        directory = yaml_nodes.text(found["directory"], "the directory", faults, rules.directory)
    jar = yaml_nodes.text(found["jar"], "the jar", faults, rules.jar) if "jar" in found else None
    needed = yaml_nodes.texts(found["stacks"], "the stack", faults) if "stacks" in found else ()
    for stack, line in needed:
        if stack not in stacks:
            faults.add(
                line, f"the stack {quoted(stack)} is not among the catalogue's stacks{did_you_mean(stack, stacks)}"
            )
    multiplatform = "multiplatform" in found and yaml_nodes.flag(found["multiplatform"], "multiplatform", faults)
    if multiplatform and not multiple:
        faults.add(found["multiplatform"].line, "the catalogue has no 'platforms' for a multi-platform image")
    arguments: tuple[tuple[str, str], ...] = ()
    if "build_args" in found:
        arguments = yaml_nodes.options(found["build_args"], "build_args", faults, rules.build_argument)
    if name is None:
        return None
    return Image(
        name,
        kind,
        directory or name,
        jar=jar,
        stacks=tuple(stack for stack, _ in needed),
        always_docker="always_docker" in found and yaml_nodes.flag(found["always_docker"], "always_docker", faults),
        platforms=multiple if multiplatform else (),
        build_args=arguments,
        attestations="attestations" in found and yaml_nodes.flag(found["attestations"], "attestations", faults),
        revision=(yaml_nodes.verbatim(found["revision"], "the revision", faults) or "") if "revision" in found else "",
    )


def _without_index(node: Node, faults: Faults) -> Node:
    """Say why a lambda has no keys that would make its image an index, and return it without them."""
    if not isinstance(node, Mapping):
        return node
    index = {"multiplatform", "attestations"}
    for key, _ in node.pairs:
        if isinstance(key, Scalar) and key.text in index:
            faults.add(key.line, f"a lambda cannot have '{key.text}': Lambda refuses an image that is an index")
    kept = tuple((key, value) for key, value in node.pairs if not (isinstance(key, Scalar) and key.text in index))
    return Mapping(node.line, kept)


def _platforms(node: Node | None, faults: Faults) -> tuple[str, ...]:
    if node is None:
        return ()
    return tuple(name for name, _ in yaml_nodes.texts(node, "the platform", faults, platforms.fault))


def _builder(node: Node | None, multiple: tuple[str, ...], path: Path, faults: Faults) -> Builder:
    if node is None:
        return Builder("sleeper", platforms=multiple)
    found = yaml_nodes.fields(node, "the builder", _BUILDER_KEYS, ("name",), faults)
    name = None
    if "name" in found:
        name = yaml_nodes.text(found["name"], "the builder's name", faults, rules.builder)
    driver = yaml_nodes.text(found["driver"], "the driver", faults, rules.driver) if "driver" in found else None
    nodes = yaml_nodes.items(found["nodes"], "nodes", faults) if "nodes" in found else ()
    if "nodes" in found and "endpoint" in found:
        faults.add(found["endpoint"].line, "the builder has both 'endpoint' and 'nodes'; write the endpoint as a node")
    described = tuple(_node(each, driver, faults) for each in nodes)
    able = _platforms(found.get("platforms"), faults) or multiple
    if lacking := [each for each in multiple if each not in able]:
        faults.add(found["platforms"].line, f"the builder lacks {', '.join(lacking)} of the catalogue's platforms")
    config = yaml_nodes.text(found["config"], "the config", faults) if "config" in found else None
    return Builder(
        name or "sleeper",
        driver or rules.DRIVERS[0],
        options=_options(found.get("options"), faults),
        platforms=able,
        endpoint=_endpoint(found, driver, faults),
        config=path.parent / config if config else None,
        nodes=described,
    )


def _node(node: Node, driver: str | None, faults: Faults) -> BuilderNode:
    required = () if driver == _KUBERNETES else ("endpoint",)
    found = yaml_nodes.fields(node, "a node", _NODE_KEYS, required, faults)
    name = None
    if "name" in found:
        name = yaml_nodes.text(found["name"], "the node's name", faults, rules.builder)
    able = _platforms(found.get("platforms"), faults)
    return BuilderNode(_endpoint(found, driver, faults), able, _options(found.get("options"), faults), name or "")


def _endpoint(found: dict[str, Node], driver: str | None, faults: Faults) -> str:
    if "endpoint" not in found:
        return ""
    if driver == _KUBERNETES:
        # buildx refuses one (builder/builder.go, `Create`).
        faults.add(found["endpoint"].line, "the driver kubernetes takes no 'endpoint': KUBECONFIG says which cluster")
        return ""
    return yaml_nodes.text(found["endpoint"], "the endpoint", faults, rules.endpoint) or ""


def _options(node: Node | None, faults: Faults) -> tuple[tuple[str, str], ...]:
    return () if node is None else yaml_nodes.options(node, "options", faults, rules.driver_option)
