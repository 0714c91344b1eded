"""The record of what an image was made of, in the registry beside the image, so that any clone can say what differs.

    Record ─▶ JSON ─▶ gzip ─▶ the one layer of an artifact whose subject is the image

The image itself is not changed. A record explains and never decides. Anybody who may push to the repository can write
one, so a record is validated like any foreign input, and limited in its contents and its unpacked size.

For each jar a record has the names of its entries and the first digits of their digests, in two columns, because names
compress well beside names; for a jar with too many entries, only their number.

Artifacts are found from the image's digest (OCI distribution specification 1.1, "Listing Referrers", "Pushing Manifests
with Subject", "Referrers Tag Schema"). If the registry has no referrers API, clients list them in an index with the tag
`sha256-<hexadecimal>`; entries of other clients stay there.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, TypeGuard

from tasks.errors import RegistryError
from tasks.image.difference import DIGITS, Listing, differences
from tasks.image.fingerprint import Inputs, Item
from tasks.reference import Digest, Repository
from tasks.registry.client import Client
from tasks.registry.model import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest, descriptor, parse_object

ARTIFACT_TYPE = "application/vnd.sleeper-images.inputs.v1"
LAYER_TYPE = "application/vnd.sleeper-images.inputs.v1+gzip"

INPUTS = "vnd.sleeper-images.inputs"
"""The annotation with the fingerprint of the inputs. Different inputs may give one image; each has its own record."""

MOST_ENTRIES = 150_000
"""How many entries of jars one record lists at most; Sleeper's largest jar has about a third of that."""

PACKED_LIMIT = 4 * 1024 * 1024
"""The largest record that is written or read."""

TEXT_LIMIT = 16 * 1024 * 1024
"""The largest unpacked size."""

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""The config of an artifact (image-spec, "Guidance for an Empty Descriptor")."""

MOST_READ = 4
"""How many artifacts of one type and subject are read at most."""

_NONE: Mapping[str, str] = MappingProxyType({})

_FORMAT = 1
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Record:
    """What an image was made of.

    Attributes:
        inputs: all its inputs.
        jars: the entries of its jars, by their paths in the context; only their number if there are too many.
    """

    inputs: Inputs
    jars: Mapping[str, Listing]


def write(client: Client, repository: Repository, image: Descriptor, record: Record) -> Digest:
    """Put a record beside an image, the manifest that the tags point to; return the artifact's digest.

    Raises:
        RegistryError: the record is too large, or the registry refused it.
    """
    made_of = {INPUTS: record.inputs.fingerprint()}
    return attach(client, repository, image, ARTIFACT_TYPE, (LAYER_TYPE, encode(record)), annotations=made_of)


def read(client: Client, repository: Repository, image: Digest, like: Inputs) -> Record | None:
    """Return the record of an image, the manifest that the tags point to; None if it has none.

    If the image has several records (a file that no COPY uses was changed, for example), the one that differs least
    from the inputs `like` is returned.

    Raises:
        RegistryError: no answer, or none of its records can be read.
    """
    nearest: tuple[int, Record] | None = None
    fault: RegistryError | None = None
    for manifest in find(client, repository, image, ARTIFACT_TYPE, {INPUTS: like.fingerprint()}):
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
        raise _malformed("it must have one layer")
    content = client.blob(repository, manifest.layers[0].digest, PACKED_LIMIT)
    if content is None:
        raise _malformed("its layer does not exist")
    return decode(content)


# The bytes of a record


def encode(record: Record) -> bytes:
    """Return a record's bytes. If they are too many, the entries of the largest jars are left out.

    Raises:
        RegistryError: it is too large even without entries.
    """
    jars = record.jars
    while sum(len(listing) for listing in jars.values() if not isinstance(listing, int)) > MOST_ENTRIES:
        jars = _without_largest(jars)
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
        if all(isinstance(listing, int) for listing in jars.values()):
            raise RegistryError(
                f"the record of its inputs has {len(packed):,} bytes; the limit is {PACKED_LIMIT:,}",
                "exclude files that the image does not need in its .dockerignore",
            )
        jars = _without_largest(jars)


def decode(content: bytes) -> Record:
    """Return the record that `encode` packed.

    Raises:
        RegistryError: the bytes are not a record, unpack to too much, or have the format of another release.
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
        raise _malformed("it has the format of another release")
    inputs, jars = document.get("inputs"), document.get("jars")
    if not isinstance(inputs, dict) or not isinstance(jars, dict):
        raise _malformed("it has no inputs")
    return Record(_inputs(inputs), {path: _listing(found) for path, found in jars.items()})


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
        raise _malformed("a jar is not an object")
    count = found.get("count")
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    names, digests = found.get("names"), found.get("digests")
    if not _are_texts(names) or not isinstance(digests, str) or len(digests) != DIGITS * len(names):
        raise _malformed("a jar's names and digests do not match")
    if not _HEXADECIMAL.issuperset(digests):
        raise _malformed("a jar's digests are not hexadecimal")
    return {name: digests[at * DIGITS : (at + 1) * DIGITS] for at, name in enumerate(names)}


def _inputs(found: Mapping[str, Any]) -> Inputs:
    """Return validated inputs: exactly the fields of Inputs, each of its type."""
    blank = Inputs("", (), (), (), attestations=False, revision="", bases=())
    if found.keys() != {field.name for field in fields(Inputs)}:
        raise _malformed("its inputs have other fields than this release")
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
    blank = asdict(Item("", "", executable=False, content=""))
    if not isinstance(found, dict) or {name: type(value) for name, value in found.items()} != {
        name: type(value) for name, value in blank.items()
    }:
        raise _malformed("an item of its context is malformed")
    return Item(**found)


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
        "push the image again with force=true, which writes a new record",
        code="MANIFEST_INVALID",
    )


# Artifacts of an image


def referrers_tag(digest: Digest) -> str:
    """Return the tag of the index that lists a manifest's artifacts if the registry has no referrers API."""
    return str(digest).replace(":", "-")


def find(
    client: Client, repository: Repository, subject: Digest, artifact_type: str, first: Mapping[str, str] = _NONE
) -> Iterator[Manifest]:
    """Yield the artifacts of one type whose subject is a manifest, the last listed first; at most MOST_READ.

    Those with the annotations `first` come before the others. Each is read when it is needed.

    Raises:
        RegistryError: no answer, or a malformed one.
    """
    index = client.referrers(repository, subject, artifact_type)
    if index is None:
        index = _referrers_index(client, repository, subject)
    entries = [entry for entry in reversed(_entries(index)) if entry.get("artifactType") == artifact_type]
    entries.sort(key=lambda entry: not first or not _has(entry, first))
    for entry in entries[:MOST_READ]:
        found = client.manifest(repository, descriptor(entry, "entry").digest)
        if found is not None and found.subject is not None and found.subject.digest == subject:
            yield found


def attach(
    client: Client,
    repository: Repository,
    subject: Descriptor,
    artifact_type: str,
    layer: tuple[str, bytes],
    *,
    annotations: Mapping[str, str] = _NONE,
) -> Digest:
    """Put an artifact whose subject is a manifest, which is not changed; return the artifact's digest.

    Args:
        client: the registry's client.
        repository: where the manifest is.
        subject: the manifest.
        artifact_type: the artifact's type.
        layer: the media type and bytes of its one layer.
        annotations: distinguish it from others of its type. In the referrers tag it replaces one that has them.

    Raises:
        RegistryError: the registry refused a part of it.
    """
    media_type, content = layer
    config = Descriptor(EMPTY_TYPE, client.upload(repository, EMPTY), len(EMPTY))
    described = Descriptor(media_type, client.upload(repository, content), len(content))
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _written(config),
        "layers": [_written(described)],
        "subject": _written(subject),
        **_annotated(annotations),
    }
    manifest = Manifest(OCI_MANIFEST, _bytes(document))
    # A registry may have the API and not say so in this answer. A needless tag might be immutable, so ask first.
    listed = client.put_referrer(repository, manifest) or client.referrers(repository, subject.digest, artifact_type)
    if not listed:
        entry = {**_written(manifest.descriptor), "artifactType": artifact_type, **_annotated(annotations)}
        _add_to_index(client, repository, subject.digest, entry)
    return manifest.digest


def _add_to_index(client: Client, repository: Repository, subject: Digest, entry: Mapping[str, Any]) -> None:
    """Add an artifact's entry to the index with the subject's referrers tag."""
    before = _referrers_index(client, repository, subject)
    entries = _entries(before)
    if any(one.get("digest") == entry["digest"] for one in entries):
        return
    annotations = entry.get("annotations")
    if annotations:
        same_type = entry["artifactType"]
        entries = [one for one in entries if one.get("artifactType") != same_type or not _has(one, annotations)]
    # Keep what other clients wrote to the index, such as its annotations.
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX} if before is None else before.json()
    index = Manifest(OCI_INDEX, _bytes({**document, "manifests": [*entries, entry]}))
    client.put(repository, referrers_tag(subject), index)


def _referrers_index(client: Client, repository: Repository, subject: Digest) -> Manifest | None:
    found = client.manifest(repository, referrers_tag(subject))
    if found is None:
        return None
    # GitLab's registry reads such a tag as the digest, and answers with the subject.
    if found.media_type != OCI_INDEX or found.digest == subject:
        raise RegistryError(
            f"{repository.tag(referrers_tag(subject))} is not a list of the artifacts of {subject.short}",
            "nothing to do: this registry cannot hold records, and only `doit why` needs them",
            code="MANIFEST_INVALID",
        )
    return found


def _entries(index: Manifest | None) -> list[dict[str, Any]]:
    """Return those entries of an index that are JSON objects, unchanged."""
    entries = None if index is None else index.json().get("manifests")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _has(entry: Mapping[str, Any], annotations: Mapping[str, str]) -> bool:
    found = entry.get("annotations")
    return isinstance(found, dict) and all(found.get(name) == value for name, value in annotations.items())


def _annotated(annotations: Mapping[str, str]) -> Mapping[str, object]:
    return {"annotations": dict(annotations)} if annotations else {}


def _written(described: Descriptor) -> Mapping[str, object]:
    return {"mediaType": described.media_type, "digest": str(described.digest), "size": described.size}


def _bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")
