"""The record of what an image was made of, in the registry beside the image, so that any clone can say what differs.

    Record ─▶ JSON ─▶ gzip ─▶ the one layer of an artifact whose subject is the image ─▶ referrers

The image itself is left as it is. A record explains and never decides: whoever may push to the repository may write
one, so it is checked like anything that comes from a stranger, and bounded in what it may hold and unpack to.

Of each jar it has the names of its entries and the first digits of their digests, in two columns, since names compress
well beside names; of a jar with too many entries, their number.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeGuard

from tasks.errors import RegistryError
from tasks.image.difference import DIGITS, Listing, differences
from tasks.image.fingerprint import Inputs, Item
from tasks.reference import Digest, Repository
from tasks.registry import referrers
from tasks.registry.client import Client
from tasks.registry.model import Descriptor, Manifest, parse_object

ARTIFACT_TYPE = "application/vnd.sleeper-images.inputs.v1"
LAYER_TYPE = "application/vnd.sleeper-images.inputs.v1+gzip"

INPUTS = "vnd.sleeper-images.inputs"
"""The annotation that holds the fingerprint of the inputs: one image may have been made of several, each recorded."""

MOST_ENTRIES = 150_000
"""How many entries of jars are listed for one image; Sleeper's largest jar has about a third of that."""

PACKED_LIMIT = 4 * 1024 * 1024
"""The largest record that is written or read."""

TEXT_LIMIT = 16 * 1024 * 1024
"""The most that one may unpack to."""

_FORMAT = 1
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Record:
    """What an image was made of.

    Attributes:
        inputs: its inputs, whole.
        jars: by their paths in the context, the entries of jars as far as they are listed.
    """

    inputs: Inputs
    jars: Mapping[str, Listing]


def write(client: Client, repository: Repository, image: Descriptor, record: Record) -> Digest:
    """Put a record beside an image.

    Args:
        client: the registry's client.
        repository: where the image is.
        image: the manifest that people's tags are on: the image, or the index of several.
        record: what it was made of.

    Returns:
        The artifact's digest.

    Raises:
        RegistryError: it is too large, or the registry did not take it.
    """
    made_of = {INPUTS: record.inputs.fingerprint()}
    return referrers.attach(client, repository, image, ARTIFACT_TYPE, (LAYER_TYPE, encode(record)), annotations=made_of)


def read(client: Client, repository: Repository, image: Digest, like: Inputs) -> Record | None:
    """Read the record of an image; None where it has none.

    Args:
        client: the registry's client.
        repository: where the image is.
        image: the manifest that people's tags are on.
        like: what the record is compared with. Of an image that different inputs have given, as with a file that no
            COPY takes, the record that is nearest to these is read.

    Raises:
        RegistryError: there was no answer, or none of its records can be read.
    """
    nearest: tuple[int, Record] | None = None
    fault: RegistryError | None = None
    for manifest in referrers.find(client, repository, image, ARTIFACT_TYPE, {INPUTS: like.fingerprint()}):
        try:
            found = _read(client, repository, manifest)
        except RegistryError as error:
            fault = fault or error
            continue
        distance = len(differences(found.inputs, like, {}, {}))
        if nearest is None or distance < nearest[0]:
            nearest = distance, found
        if distance == 0:
            break
    if nearest is None and fault is not None:
        raise fault
    return None if nearest is None else nearest[1]


def _read(client: Client, repository: Repository, manifest: Manifest) -> Record:
    if len(manifest.layers) != 1 or manifest.layers[0].media_type != LAYER_TYPE:
        raise _malformed("it does not have the one layer")
    return decode(client.blobs.read(repository, manifest.layers[0].digest, PACKED_LIMIT))


def encode(record: Record) -> bytes:
    """Return a record's bytes; the largest jars give up their entries where there are too many.

    Raises:
        RegistryError: it is too large even without any.
    """
    jars = _bounded(record.jars)
    while True:
        document = {
            "record": _FORMAT,
            "inputs": asdict(record.inputs),
            "jars": {path: _columns(jars[path]) for path in sorted(jars)},
        }
        text = json.dumps(document, separators=(",", ":")).encode("ascii")
        packed = gzip.compress(text, compresslevel=6, mtime=0)
        if len(packed) <= PACKED_LIMIT and len(text) <= TEXT_LIMIT:
            return packed
        listed = [path for path, listing in jars.items() if not isinstance(listing, int)]
        if not listed:
            raise RegistryError(
                f"the record of its inputs would have {len(packed):,} bytes; the limit is {PACKED_LIMIT:,}",
                "name what the image does not need in its .dockerignore",
            )
        jars = _without_largest(jars)


def decode(content: bytes) -> Record:
    """Return the record that `encode` packed.

    Raises:
        RegistryError: it is none, or it would unpack to too much, or a later release wrote it.
    """
    unpacking = zlib.decompressobj(wbits=31)
    try:
        text = unpacking.decompress(content, TEXT_LIMIT)
    except zlib.error as fault:
        raise _malformed("it cannot be unpacked") from fault
    if not unpacking.eof:
        raise _malformed(f"it ends too early, or unpacks to more than {TEXT_LIMIT:,} bytes")
    document = parse_object(text, "record")
    if document.get("record") != _FORMAT:
        raise _malformed("it is of another format, as another release writes it")
    inputs, jars = document.get("inputs"), document.get("jars")
    if not isinstance(inputs, dict) or not isinstance(jars, dict):
        raise _malformed("it has no inputs")
    return Record(_inputs(inputs), {path: _listing(found) for path, found in jars.items()})


def _bounded(jars: Mapping[str, Listing]) -> Mapping[str, Listing]:
    while sum(len(listing) for listing in jars.values() if not isinstance(listing, int)) > MOST_ENTRIES:
        jars = _without_largest(jars)
    return jars


def _without_largest(jars: Mapping[str, Listing]) -> Mapping[str, Listing]:
    sizes = {path: len(listing) for path, listing in jars.items() if not isinstance(listing, int)}
    path = max(sizes, key=lambda one: (sizes[one], one))
    return {**jars, path: sizes[path]}


def _columns(listing: Listing) -> object:
    if isinstance(listing, int):
        return {"count": listing}
    names = sorted(listing)
    return {"names": names, "digests": "".join(listing[name] for name in names)}


def _listing(found: object) -> Listing:
    if not isinstance(found, dict):
        raise _malformed("a jar is no object")
    count = found.get("count")
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    names, digests = found.get("names"), found.get("digests")
    if not _are_texts(names) or not isinstance(digests, str) or len(digests) != DIGITS * len(names):
        raise _malformed("a jar's entries and their digests do not fit")
    if not _HEXADECIMAL.issuperset(digests):
        raise _malformed("a jar's digests are none")
    return {name: digests[at * DIGITS : (at + 1) * DIGITS] for at, name in enumerate(names)}


def _inputs(found: Mapping[str, Any]) -> Inputs:
    """Return checked inputs; every field has to be there and be of its type, and none besides."""
    blank = Inputs("", (), (), (), attestations=False, revision="", bases=())
    if found.keys() != {field.name for field in fields(Inputs)}:
        raise _malformed("its inputs are not those of this release")
    values: dict[str, Any] = {}
    for name, value in found.items():
        like = getattr(blank, name)
        if name == "context":
            values[name] = tuple(map(_item, _list(value)))
        elif name in {"build_args", "bases"}:
            values[name] = tuple(map(_pair, _list(value)))
        elif name == "platforms":
            values[name] = tuple(_texts(value))
        elif type(value) is type(like):
            values[name] = value
        else:
            raise _malformed(f"its {name} is of the wrong type")
    return replace(blank, **values)


def _item(found: object) -> Item:
    if not isinstance(found, dict) or found.keys() != {field.name for field in fields(Item)}:
        raise _malformed("an item of its context is none")
    executable = found["executable"]
    path, kind, content = _texts([found["path"], found["kind"], found["content"]])
    if not isinstance(executable, bool):
        raise _malformed("an item of its context is none")
    return Item(path, kind, executable, content)


def _pair(found: object) -> tuple[str, str]:
    texts = _texts(found)
    if len(texts) != 2:  # noqa: PLR2004  # A name and a value.
        raise _malformed("a name has no value")
    return texts[0], texts[1]


def _list(found: object) -> list[object]:
    if not isinstance(found, list):
        raise _malformed("a list is missing")
    return found


def _texts(found: object) -> list[str]:
    if not _are_texts(found):
        raise _malformed("a text is missing")
    return found


def _are_texts(found: object) -> TypeGuard[list[str]]:
    return isinstance(found, list) and all(isinstance(item, str) for item in found)


def _malformed(reason: str) -> RegistryError:
    return RegistryError(
        f"the record of its inputs cannot be read: {reason}",
        "push the image again (force=true), which writes it anew",
        code="MANIFEST_INVALID",
    )
