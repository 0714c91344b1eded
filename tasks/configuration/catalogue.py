"""The catalogue of images: a row for each key, and a file read by the rows into `model.Catalogue`.

Every fault of a file is reported at once, each with its line. docs/catalogue.md and catalogue/schema.json follow from
the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.configuration import bases, values, yaml_nodes
from tasks.configuration.faults import Faults, did_you_mean, reason, shown
from tasks.configuration.yaml_nodes import FLAG, VERBATIM, Entry, Form, Key, mapping, mappings, options, text, texts
from tasks.errors import CatalogueError
from tasks.model import Builder, BuilderNode, Catalogue, Image, Kind
from tasks.system.text import quoted

SCHEMA = "1"
"""The version of the file's format; a catalogue of another version is not read."""

LAMBDA_DIRECTORY = "lambda"
"""The build directory that all lambdas share, unless an entry has its own."""

_KUBERNETES = "kubernetes"
"""The driver whose nodes have no endpoint."""

_LARGEST_FILE = 2 * 1024 * 1024

_AN_INDEX = ": AWS Lambda does not support image indexes"


@dataclass(frozen=True)
class ImageKey(Key):
    """A key of an image's entry; its value is the field of the same name in `model.Image`.

    Attributes:
        kinds: the kinds of images that can have it.
        otherwise: why the other kind cannot have it, for the end of a message.
    """

    kinds: tuple[Kind, ...] = (Kind.DEPLOYMENT, Kind.LAMBDA)
    otherwise: str = ""


IMAGE_KEYS = (
    ImageKey(
        "name",
        text(values.image),
        "the image's name, and the last part of its repository's name. ECR's rules apply: lower-case letters and "
        "digits, with single `.`, `_` or `-` between them, at most 128 characters",
        required=True,
    ),
    ImageKey(
        "jar",
        text(values.jar),
        "the jar's file name below `SCRIPTS_DIR/jars`, with `<version>` once in place of Sleeper's version",
        required=True,
        kinds=(Kind.LAMBDA,),
    ),
    ImageKey(
        "stacks",
        texts(values.stack),
        "the optional stack that needs the image, or a list of them; an instance with any of them does",
        default="always deployed",
    ),
    ImageKey(
        "directory",
        text(values.directory),
        "the build directory below `SCRIPTS_DIR/docker`",
        default=f"a deployment's `name`; `{LAMBDA_DIRECTORY}` for a lambda",
    ),
    ImageKey(
        "build_args",
        options(values.build_argument),
        "names and values for the Dockerfile's `ARG`s. They can be read in the image, so they must not be secrets",
    ),
    ImageKey("revision", VERBATIM, "any text; a new text rebuilds the image once, everywhere"),
    ImageKey(
        "multiplatform",
        FLAG,
        "whether the image is built for all `platforms`, and not only for `PLATFORM`",
        default="`false`",
        kinds=(Kind.DEPLOYMENT,),
        otherwise=_AN_INDEX,
    ),
    ImageKey(
        "attestations",
        FLAG,
        "whether BuildKit adds provenance and an SBOM. Two builds of the same inputs then differ, and the image is an "
        "index",
        default="`false`",
        kinds=(Kind.DEPLOYMENT,),
        otherwise=_AN_INDEX,
    ),
    ImageKey(
        "always_docker",
        FLAG,
        "whether the lambda is deployed from its image even if `LAMBDA_DEPLOY_TYPE` is `jar`",
        default="`false`",
        kinds=(Kind.LAMBDA,),
    ),
)
"""The keys of a deployment or a lambda."""

NODE_KEYS = (
    Key(
        "endpoint",
        text(values.endpoint),
        "its Docker context or address; required, but not allowed with the driver `kubernetes`",
    ),
    Key("name", text(values.builder), "its name for buildx (`--node`)", default="chosen by buildx"),
    Key("platforms", texts(values.platform), "what it builds for", default="found by BuildKit"),
    Key("options", options(values.driver_option), "its own driver options, added to the builder's"),
)
"""The keys of a builder's node."""

BUILDER_KEYS = (
    Key("name", text(values.builder), "its name for `docker buildx`", required=True),
    Key(
        "driver",
        text(values.driver),
        "`docker-container`, `kubernetes`, `remote` or `docker`",
        default=f"`{values.DRIVERS[0]}`",
    ),
    Key("options", options(values.driver_option), "the driver's options (`--driver-opt`), names and values"),
    Key(
        "platforms",
        texts(values.platform),
        "what it must be able to build for. A builder with one machine is created without them: buildx would report "
        "them even if BuildKit cannot run their programs",
        default="the catalogue's",
    ),
    Key(
        "endpoint",
        text(values.endpoint),
        "the Docker context or the address of its only machine. Not allowed with the driver `kubernetes`: `KUBECONFIG` "
        "says which cluster",
        default="the current context",
    ),
    Key("nodes", mappings("a node", NODE_KEYS), "its machines if it has several; instead of `endpoint`"),
    Key(
        "config",
        text(),
        "a buildkitd configuration file, relative to the catalogue's directory. If its content changes, a builder that "
        "this project created is created again and keeps its cache",
    ),
)
"""The keys of the builder."""


def _version(node: yaml_nodes.Node, what: str, faults: Faults) -> str:
    if not (isinstance(node, yaml_nodes.Scalar) and node.plain and node.text == SCHEMA):
        given = quoted(node.text) if isinstance(node, yaml_nodes.Scalar) else yaml_nodes.kind(node)
        faults.add(node.line, f"{what}: must be {SCHEMA}, the only supported version, not {given}")
    return SCHEMA


def image_keys(kind: Kind) -> tuple[ImageKey, ...]:
    """Return the keys that an image of a kind can have."""
    return tuple(key for key in IMAGE_KEYS if kind in key.kinds)


def _images(kind: Kind) -> Form:
    elsewhere = {key.name: key.otherwise for key in IMAGE_KEYS if kind not in key.kinds}
    return mappings(f"a {kind.value}", image_keys(kind), elsewhere=elsewhere)


KEYS = (
    Key("schema", Form(_version, {"const": int(SCHEMA)}), f"`{SCHEMA}`, the version of this format", required=True),
    Key(
        "stacks",
        texts(values.stack, or_one=False),
        "every optional stack of Sleeper, as Sleeper spells it, also one without images: `STACKS` then accepts the "
        "value of `sleeper.optional.stacks`",
        required=True,
    ),
    Key("platforms", texts(values.platform), "what a multi-platform image is built for"),
    Key(
        "builder",
        mapping("the builder", BUILDER_KEYS),
        "the buildx builder",
        default="one named `sleeper` for `platforms`",
    ),
    Key("deployments", _images(Kind.DEPLOYMENT), "the deployments; a catalogue has these or lambdas"),
    Key("lambdas", _images(Kind.LAMBDA), "the lambdas; a catalogue has these or deployments"),
)
"""The keys at the top."""


def load(path: Path) -> Catalogue:
    """Read a catalogue, and the lock of its base images if there is one.

    Raises:
        CatalogueError: it cannot be read, or has faults; each is a line `file:line: …`.
    """
    faults = Faults(path)
    node = yaml_nodes.parse(_read(path), path)
    root = yaml_nodes.read_entry(node, "the catalogue", KEYS, faults)
    if isinstance(node, yaml_nodes.Mapping) and root.lines.keys().isdisjoint(("deployments", "lambdas")):
        faults.add(root.line, "missing key 'deployments' or 'lambdas' in the catalogue")
    catalogue = _catalogue(root, path, faults)
    faults.check("correct these lines; docs/catalogue.md describes every key")
    return catalogue


def lock_path(path: Path) -> Path:
    """Return where the locked base images of the catalogue at `path` are."""
    return path.with_name(path.name + ".lock")


def _read(path: Path) -> str:
    next_step = "set CATALOGUE to a catalogue of images"
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as fault:
        raise CatalogueError(f"the catalogue {shown(path)} cannot be read: {reason(fault)}", next_step) from fault
    if len(content) > _LARGEST_FILE:
        raise CatalogueError(f"{shown(path)}:1: larger than {_LARGEST_FILE // 1024} KiB", next_step)
    if b"\0" in content:
        raise CatalogueError(f"{shown(path)}:1: not UTF-8", "save the file as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise CatalogueError(f"{shown(path)}:{line}: not UTF-8", "save the file as UTF-8") from fault


def _catalogue(root: Entry, path: Path, faults: Faults) -> Catalogue:
    given = root.values
    stacks = _stacks(given.get("stacks", {}), faults)
    platforms = tuple(given.get("platforms", ()))
    images: dict[str, tuple[Image, int]] = {}
    for key, kind in (("deployments", Kind.DEPLOYMENT), ("lambdas", Kind.LAMBDA)):
        for entry in given.get(key, ()):
            image = _image(entry, kind, stacks, platforms, faults)
            if image is not None and image.name in images:
                faults.add(entry.line, f"duplicate image '{image.name}', first on line {images[image.name][1]}")
            elif image is not None:
                images[image.name] = image, entry.line
    builder = _builder(given.get("builder"), platforms, path, faults)
    return Catalogue(path, tuple(image for image, _ in images.values()), builder, stacks, bases.read(lock_path(path)))


def _stacks(given: Mapping[str, int], faults: Faults) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for name, line in given.items():
        other = first.setdefault(name.lower(), name)
        if other != name:
            faults.add(line, f"stacks: '{other}' and '{name}' differ only in case, which is ignored")
    return tuple(first.values())


def _image(
    entry: Entry, kind: Kind, stacks: tuple[str, ...], platforms: tuple[str, ...], faults: Faults
) -> Image | None:
    """Return the image of an entry; None if it has no valid name."""
    given: dict[str, Any] = {"stacks": {}, "multiplatform": False, **entry.values}
    for stack, line in given["stacks"].items():
        if stack not in stacks:
            suggestion = did_you_mean(stack, stacks)
            faults.add(line, f"stacks: {quoted(stack)} is not in the catalogue's list of stacks{suggestion}")
    if given["multiplatform"] and not platforms:
        faults.add(entry.lines["multiplatform"], "multiplatform: needs the key 'platforms' in the catalogue")
    if "name" not in given:
        return None
    given.setdefault("directory", LAMBDA_DIRECTORY if kind is Kind.LAMBDA else given["name"])
    given["platforms"] = platforms if given.pop("multiplatform") else ()
    given["stacks"] = tuple(given["stacks"])
    return Image(kind=kind, **given)


def _builder(entry: Entry | None, platforms: tuple[str, ...], path: Path, faults: Faults) -> Builder:
    if entry is None:
        return Builder("sleeper", platforms=platforms)
    given: dict[str, Any] = {"name": "sleeper", **entry.values}
    if "nodes" in entry.lines and "endpoint" in entry.lines:
        faults.add(entry.lines["endpoint"], "the builder has both 'endpoint' and 'nodes'; move the endpoint to a node")
    given["platforms"] = tuple(given.get("platforms", ())) or platforms
    if lacking := [each for each in platforms if each not in given["platforms"]]:
        faults.add(
            entry.lines["platforms"],
            f"platforms: must include the catalogue's platforms; {', '.join(lacking)} is missing",
        )
    _check_endpoint(entry, given.get("driver"), faults)
    given["nodes"] = tuple(_node(node, given.get("driver"), faults) for node in given.get("nodes", ()))
    if "config" in given:
        given["config"] = path.parent / given["config"]
    return Builder(**given)


def _node(entry: Entry, driver: str | None, faults: Faults) -> BuilderNode:
    if driver != _KUBERNETES and "endpoint" not in entry.lines:
        faults.add(entry.line, "missing key 'endpoint' in a node")
    _check_endpoint(entry, driver, faults)
    given = {"endpoint": "", **entry.values}
    return BuilderNode(**{**given, "platforms": tuple(given.get("platforms", ()))})


def _check_endpoint(entry: Entry, driver: str | None, faults: Faults) -> None:
    # buildx does not accept one (builder/builder.go, `Create`).
    if driver == _KUBERNETES and "endpoint" in entry.lines:
        faults.add(
            entry.lines["endpoint"], "endpoint: not allowed with the driver kubernetes; KUBECONFIG says which cluster"
        )
